from __future__ import annotations

import threading
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from studio_makers import opened_studio

from freeda_learn.marks import Marks
from freeda_store import Bank
from freeda_store.errors import BankInUseError, PrototypeMissingError, RevisionMissingError
from freeda_studio import writing
from freeda_studio.errors import BusyError, MissingError, ReadOnlyStudioError, RequestError
from freeda_studio.studio import Studio


def test_changes_say_what_they_did_and_what_takes_them_back(studio: Studio) -> None:
    shown = [info.id for info in studio.engine.bank.infos()]
    change = studio.corrector.retire(shown[:1])
    assert (change.before, change.after) == (2, 3)
    assert len(list(studio.engine.bank.infos())) == len(shown) - 1
    back = studio.corrector.roll_back(change.before or 0)
    assert (back.before, back.after) == (3, 4)
    assert sorted(info.id for info in studio.engine.bank.infos()) == sorted(shown)


def test_what_cannot_be_changed_is_refused_and_leaves_no_revision(studio: Studio) -> None:
    with pytest.raises(RequestError, match="at least one"):
        studio.corrector.retire([])
    with pytest.raises(PrototypeMissingError):
        studio.corrector.retire([uuid4()])
    with pytest.raises(RevisionMissingError):
        studio.corrector.roll_back(99)
    with pytest.raises(MissingError):
        studio.corrector.learn("0" * 24, "car", Marks(((1, 1),)))
    assert studio.engine.revision is not None
    assert studio.engine.revision[0] == 2


def test_a_region_is_learned(bank: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    image = Image.new("RGB", (48, 40))
    image.paste((250, 30, 30), (24, 0, 48, 40))
    image.save(photo)
    with opened_studio(bank, photo) as studio:
        picture = studio.engine.shelf.all()[0].id
        change = studio.corrector.learn(picture, "stop sign", Marks(((36, 20),)))
        assert "stop sign" in change.message
        assert [info.noun for info in studio.engine.bank.infos()].count("stop sign") >= 1
        again = studio.corrector.learn(picture, "stop sign", Marks(((36, 20),)))
        assert again.message == "the bank knows this example already"
        assert again.before == again.after


def test_another_writer_is_named(studio: Studio, bank: Path) -> None:
    shown = next(iter(studio.engine.bank.infos())).id
    with Bank.open(bank), pytest.raises(BankInUseError, match="is in use by this very process"):
        studio.corrector.retire([shown])
    assert studio.corrector.retire([shown]).after == 3


def test_long_work_keeps_others_from_writing(studio: Studio) -> None:
    shown = next(iter(studio.engine.bank.infos())).id
    with studio.writing.during("learning from photos/"):
        assert studio.writing.holder == "learning from photos/"
        with pytest.raises(BusyError, match="learning from photos/ is writing"):
            studio.corrector.retire([shown])
    assert studio.writing.holder == ""
    assert studio.corrector.retire([shown]).after == 3


def test_changes_wait_for_each_other_but_not_for_ever(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [info.id for info in studio.engine.bank.infos()]
    threads = [threading.Thread(target=studio.corrector.retire, args=([id_],)) for id_ in shown[:3]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert studio.engine.revision is not None
    assert studio.engine.revision[0] == 5
    monkeypatch.setattr(writing, "_PATIENCE", 0.01)
    with studio.writing.briefly(), pytest.raises(BusyError, match="another change is writing"):
        studio.corrector.retire(shown[3:])


def test_why_nothing_may_be_written(bank: Path) -> None:
    for address, read_only, told in (
        (bank, True, "started with --read-only"),
        (f"{bank}@1", False, "one version of a bank for ever"),
    ):
        with opened_studio(address, read_only=read_only) as studio:
            assert told in studio.writing.refusal
            with pytest.raises(ReadOnlyStudioError, match=told):
                studio.corrector.roll_back(1)
            with pytest.raises(ReadOnlyStudioError, match=told), studio.writing.during("work"):
                pass
