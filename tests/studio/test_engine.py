from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from small_bank import Backbone
from studio_desk import listening
from studio_makers import opened_studio

from freeda_segment.errors import OptionError
from freeda_store.errors import BankError
from freeda_studio.engine import classes_of
from freeda_studio.errors import MissingError
from freeda_studio.serving import bind
from freeda_studio.studio import Studio

CLASSES = classes_of(["car", "tree"])


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for grey, path in enumerate(paths):
        pixels = np.full((40, 48, 3), 90 * grey, dtype=np.uint8)
        pixels[:, 24:] = (250, 30, 30)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture
def studio(bank: Path, photos: list[Path]) -> Iterator[Studio]:
    with opened_studio(bank, *photos) as opened:
        yield opened


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many windows the backbone saw, call by call."""
    calls: list[int] = []
    encode = Backbone.encode

    def counted(self: Backbone, images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        made: np.ndarray = encode(self, images)
        return made

    monkeypatch.setattr(Backbone, "encode", counted)
    return calls


def ids(studio: Studio) -> list[str]:
    return [each.id for each in studio.engine.shelf.all()]


def test_a_picture_is_encoded_once_for_all_classes_clicks_and_revisions(
    studio: Studio, encoded: list[int]
) -> None:
    engine, picture = studio.engine, ids(studio)[0]
    first = engine.segment(picture, CLASSES)
    once = list(encoded)
    assert once
    assert engine.segment(picture, CLASSES) is first
    engine.segment(picture, classes_of(["dog", "car|automobile"]))
    explained = engine.explain(picture, CLASSES, 40, 20)
    assert explained.best.prototypes
    change = studio.corrector.retire([explained.best.prototypes[0].info.id])
    assert change.after == engine.revision[0] != change.before  # type: ignore[index]
    again = engine.segment(picture, CLASSES)
    assert again is not first
    assert again.provenance.revision == change.after
    studio.corrector.roll_back(change.before or 0)
    assert np.array_equal(engine.segment(picture, CLASSES).labels, first.labels)
    assert encoded == once


def test_labels_that_are_known_need_no_turn(studio: Studio) -> None:
    made = studio.engine.segment(ids(studio)[0], CLASSES)
    with studio.engine.turns.of("a long one"):
        assert studio.engine.segment(ids(studio)[0], CLASSES) is made


def test_notes_of_a_list_of_classes_are_not_part_of_what_is_remembered(studio: Studio) -> None:
    picture = ids(studio)[0]
    twice = classes_of(["car", "tree", "car"])
    assert twice.notes
    assert studio.engine.segment(picture, twice) is studio.engine.segment(picture, CLASSES)


def test_what_is_held_is_bounded_and_let_go(bank: Path, photos: list[Path], encoded: list[int]) -> None:
    with opened_studio(bank, *photos) as studio:
        engine = studio.engine
        for picture in ids(studio):
            engine.segment(picture, CLASSES)
        held, calls = engine.held_bytes, len(encoded)
        assert held > 0
        engine.forget(ids(studio)[0])
        assert 0 < engine.held_bytes < held
        engine.segment(ids(studio)[1], CLASSES)
        assert len(encoded) == calls
        engine.segment(ids(studio)[0], CLASSES)
        assert len(encoded) > calls


def test_what_cannot_be_asked_is_said(studio: Studio) -> None:
    with pytest.raises(MissingError, match="drop it again"):
        studio.engine.segment("0" * 24, CLASSES)
    with pytest.raises(OptionError, match="48"):
        studio.engine.explain(ids(studio)[0], CLASSES, 48, 0)
    studio.engine.segment(ids(studio)[0], CLASSES)  # the turn was passed on


def test_a_closed_bank_is_an_error_that_says_so(studio: Studio) -> None:
    studio.engine.close()
    studio.engine.close()
    with pytest.raises(BankError, match="closed"):
        studio.engine.segment(ids(studio)[0], CLASSES)


def test_those_who_wait_for_a_turn_keep_nobody_else_waiting(studio: Studio) -> None:
    waiting = 60
    with listening(studio) as address, ThreadPoolExecutor(waiting) as pool:
        base, token = address.partition("/?")[0], {"Authorization": f"Bearer {studio.access.token}"}
        label = f"{base}/api/v1/pictures/{ids(studio)[0]}/segmentation"
        with studio.engine.turns.of("a long one"):
            asked = [
                pool.submit(httpx.post, label, json={"classes": ["car"]}, headers=token, timeout=60)
                for _ in range(waiting)
            ]
            while studio.engine.turns.waiting < waiting:
                assert httpx.get(f"{base}/api/v1/bank", headers=token, timeout=30).status_code == 200
        assert {each.result().status_code for each in asked} == {200}


def test_answers_are_sent_at_once() -> None:
    """An event loop forgoes the kernel's wait for fuller packets only where it knows that it speaks TCP."""
    with bind("127.0.0.1", 0) as bound:
        bound.listen()
        with socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
            assert accepted.proto == socket.IPPROTO_TCP
