from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from presence import present
from store_makers import NOUNS, TEXT_DIM, VISUAL_DIM, make_generation, make_manifest, text_key

from freeda_store import Bank, Caption, Filter, RevisionInfo, generation_key, parse_filter
from freeda_store.errors import (
    BankInUseError,
    InvalidGenerationError,
    PrototypeMissingError,
    ReadOnlyViewError,
    RevisionMissingError,
    TagError,
    ThumbnailKeyError,
    ThumbnailMissingError,
    WriterClosedError,
)

PATIENCE_SECONDS = 120.0


def ingest(bank: Bank, indices: range | list[int], *, key: str = "run", message: str = "m") -> RevisionInfo:
    with bank.write(message, key) as writer:
        writer.add([make_generation(index) for index in indices])
        info = writer.commit()
    assert info is not None
    return info


def test_what_is_written_is_found(bank: Bank) -> None:
    info = ingest(bank, range(10), message="first ten")
    assert (info.number, info.parent, info.message, info.prototypes_added) == (1, None, "first ten", 20)
    queries = np.stack([text_key("car"), text_key("tree")])
    car, tree = bank.nearest(queries, k=5)
    assert {found.noun for found in car.infos} == {"car"}
    assert {found.noun for found in tree.infos} == {"tree"}
    np.testing.assert_allclose(car.similarities, 1, atol=1e-5)
    assert car.visuals.shape == (5, VISUAL_DIM)
    assert car.visuals.dtype == np.float32
    found = car.infos[0]
    origin = make_generation(found.seed)
    place = [p.noun for p in origin.prototypes].index("car")
    np.testing.assert_allclose(car.visuals[0], origin.prototypes[place].visual, rtol=2e-3)
    assert found.id == car.ids[0]
    assert (found.caption, found.external_id) == (origin.caption.text, str(found.seed))
    assert (found.source, found.license, found.url) == (
        origin.caption.source,
        "cc-by",
        origin.caption.url,
    )
    scores = origin.prototypes[place].scores
    assert astuple(found.scores)[:3] == pytest.approx(astuple(scores)[:3], rel=1e-11)
    assert found.revision == 1
    assert bank.info(found.id) == found
    assert bank.infos_of([found.id, found.id]) == [found, found]
    assert bank.infos_of([]) == []
    assert bank.thumbnail(found.picture_key).size == (16, 16)
    attribution = np.asarray(bank.thumbnail(found.attribution_key))[:, :, 0]
    np.testing.assert_array_equal(attribution, origin.prototypes[place].attribution_hw)


def test_filters_and_infos(bank: Bank) -> None:
    ingest(bank, range(12))
    where = parse_filter(["source=coco", "contrast>=1.5"])
    expected = [i for i in range(12) if i % 3 == 0 and 1 + i % 4 / 2 >= 1.5]
    assert {info.seed for info in bank.infos(where)} == set(expected)
    assert len(list(bank.infos())) == 24
    (found,) = bank.nearest(text_key("car")[None], k=100, where=where)
    assert {info.seed for info in found.infos} == set(expected)
    vectors = bank.vectors(found.ids)
    np.testing.assert_allclose(vectors.visuals, found.visuals)
    assert vectors.text_keys.shape == (len(found.ids), TEXT_DIM)


def test_what_follows_from_a_revision_is_made_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return bytes(made)

    def of(address: str | Path, where: Filter = Filter()) -> bytes:  # noqa: B008
        with Bank.open(address) as opened:
            return opened.derived("means", make, where)

    for place in (folder, tmp_path / "like it"):
        with Bank.open(place, create=make_manifest()) as bank, bank.write("first", "one") as writer:
            writer.add([make_generation(0)])
            writer.commit()
    assert [len(of(folder)) for _ in range(2)] == [1, 1]
    assert len(of(tmp_path / "like it")) == 2, "another bank"
    assert len(of(folder, parse_filter(["noun=car"]))) == 3
    with Bank.open(folder) as bank:
        bank.retire(parse_filter(["noun=car"]), "no cars")
    assert [len(of(folder)), len(of(f"{folder}@1")), len(of(f"{folder}@2"))] == [4, 1, 4]
    monkeypatch.setenv("FREEDA_CACHE_MB", "0")
    assert [len(of(folder)) for _ in range(2)] == [5, 6]


def test_empty_bank(bank: Bank) -> None:
    assert bank.revision is None
    assert bank.revisions() == []
    (nothing,) = bank.nearest(text_key("car")[None], k=5)
    assert (nothing.ids, nothing.infos, nothing.visuals.shape) == ((), (), (0, VISUAL_DIM))
    assert list(bank.infos()) == []
    assert bank.stats().prototypes == 0
    assert bank.stats().revision is None
    assert bank.retire(Filter(), "nothing") is None
    with pytest.raises(TagError, match="no revision to tag"):
        bank.tag("v1")
    with pytest.raises(PrototypeMissingError):
        bank.info(generation_key(Caption("x"), 1))
    with pytest.raises(PrototypeMissingError):
        bank.infos_of([generation_key(Caption("x"), 1)])


def test_wrong_questions(bank: Bank) -> None:
    with pytest.raises(ValueError, match=r"expected \(Q, 8\)"):
        bank.nearest(np.zeros((2, 3), np.float32), k=5)
    with pytest.raises(ValueError, match="k is 0"):
        bank.nearest(np.zeros((2, TEXT_DIM), np.float32), k=0)


def test_open_revisions_are_unseen_and_resumed(folder: Path) -> None:
    with Bank.open(folder, create=make_manifest()) as bank:
        keys = [generation_key(make_generation(i).caption, i) for i in range(4)]
        with bank.write("m", "run") as writer:
            assert not writer.resumed
            assert writer.missing(keys) == set(keys)
            writer.add([make_generation(0), make_generation(1)])
            assert writer.missing(keys) == set(keys[2:])
        assert bank.revision is None
        assert list(bank.infos()) == []
        assert bank.stats().unfinished_runs == 1
    with Bank.open(folder) as bank, bank.write("m", "run") as writer:
        assert writer.resumed
        assert writer.missing(keys) == set(keys[2:])
        writer.add([make_generation(i) for i in range(4)])
        info = writer.commit()
        assert info is not None
        assert info.number == 1
        assert info.prototypes_added == 8
        assert bank.revision == info
        assert len(list(bank.infos())) == 8


def test_the_same_again_makes_no_revision(bank: Bank) -> None:
    ingest(bank, range(3))
    with bank.write("again", "run") as writer:
        writer.add([make_generation(i) for i in range(3)])
        writer.add([])
        assert writer.commit() is None
    assert [info.number for info in bank.revisions()] == [1]
    assert bank.stats().unfinished_runs == 0
    assert ingest(bank, [3], key="other").number == 2


def test_captions_without_nouns_are_remembered(bank: Bank) -> None:
    bare = make_generation(5, prototypes=0)
    with bank.write("m", "run") as writer:
        writer.add([bare])
        assert writer.missing([generation_key(bare.caption, bare.seed)]) == set()
        info = writer.commit()
    assert info is not None
    assert info.prototypes_added == 0
    assert bank.stats().captions == 1


def test_concurrent_writers_of_the_same_captions(bank: Bank) -> None:
    first, second = bank.write("a", "a"), bank.write("b", "b")
    first.add([make_generation(i) for i in range(0, 6)])
    second.add([make_generation(i) for i in range(3, 9)])
    one = first.commit()
    assert {info.seed for info in bank.infos()} == set(range(6))
    two = second.commit()
    assert one is not None
    assert two is not None
    assert two.parent == 1
    assert two.prototypes_added == 6
    assert sorted(info.seed for info in bank.infos()) == sorted([*range(9)] * 2)
    assert bank.verify().ok


def test_one_run_has_one_writer(bank: Bank) -> None:
    with bank.write("a", "run"), pytest.raises(BankInUseError, match="'run' is being written"):
        bank.write("a", "run")
    with bank.write("a", "run") as writer:
        assert writer.commit() is None
        with pytest.raises(WriterClosedError):
            writer.add([])


def test_rollback_and_ingest_again(bank: Bank) -> None:
    ingest(bank, range(2), key="a")
    ingest(bank, range(2, 4), key="b")
    back = bank.rollback(1)
    assert (back.number, back.parent) == (3, 1)
    assert bank.rollback(1) == back, "the same command, run again after a kill, changes nothing"
    assert {info.seed for info in bank.infos()} == {0, 1}
    again = ingest(bank, range(2, 5), key="b")
    assert again.prototypes_added == 6
    assert {info.seed for info in bank.infos()} == set(range(5))
    assert bank.rollback(4) == bank.revision
    diff = bank.diff(3, 4)
    assert len(diff.prototypes_gained) == 6
    assert diff.prototypes_lost == ()
    assert bank.verify().ok


def test_retire_by_filter_and_by_id(folder: Path) -> None:
    with Bank.open(folder, create=make_manifest()) as bank:
        ingest(bank, range(8))
        total = len(list(bank.infos()))
        boats = [info.id for info in bank.infos(parse_filter(["noun=boat"]))]
        info = bank.retire(parse_filter(["noun=boat"]), "no boats")
        assert info is not None
        assert (info.number, info.parent, info.prototypes_retired) == (2, 1, len(boats))
        assert len(list(bank.infos())) == total - len(boats)
        diff = bank.diff(1, 2)
        assert diff.nouns_lost == ("boat",)
        assert diff.prototypes_lost == tuple(sorted(boats))
        assert (diff.nouns_gained, diff.prototypes_gained) == ((), ())
        with pytest.raises(PrototypeMissingError, match="retired already"):
            bank.retire([boats[0]], "again")
        one = next(bank.infos()).id
        third = bank.retire([one, one], "one more")
        assert third is not None
        assert third.prototypes_retired == 1
        assert bank.retire(parse_filter(["noun=boat"]), "again") is None
        assert ingest(bank, [8], key="x").number == 4
        with bank.write("m", "again") as writer:
            writer.add([make_generation(i) for i in range(8)])
            assert writer.commit() is None, "retired prototypes must not come back by ingesting again"
        assert bank.verify().ok
    with Bank.open(f"{folder}@1") as old:
        assert {info.noun for info in old.infos()} == set(NOUNS)
        assert old.stats().prototypes == total


def test_versions_in_addresses(folder: Path) -> None:
    with Bank.open(folder, create=make_manifest()) as bank:
        ingest(bank, range(2), key="a")
        ingest(bank, range(2, 4), key="b")
        assert bank.tag("v1", 1).tags == ("v1",)
        assert bank.tag("latest").number == 2
        with pytest.raises(TagError, match="names revision 1 already"):
            bank.tag("v1", 2)
        assert bank.tag("v1", 1).tags == ("v1",)
        assert bank.tag("latest", "v1", move=True).tags == ("latest", "v1")
        bank.untag("latest")
        with pytest.raises(RevisionMissingError, match="no tag 'latest'; tags are v1"):
            bank.untag("latest")
        for name in ("3", "-a", "a/b", "", "a" * 65):
            with pytest.raises(TagError, match="cannot be a tag"):
                bank.tag(name)
    for version in ("1", "v1"):
        with Bank.open(f"{folder}@{version}") as old:
            assert old.revision is not None
            assert old.revision.number == 1
            assert len(list(old.infos())) == 4
            with pytest.raises(ReadOnlyViewError, match="old version"):
                old.write("m", "k")
            with pytest.raises(ReadOnlyViewError):
                old.retire(Filter(), "m")
            with pytest.raises(ReadOnlyViewError):
                old.rollback(1)
    with pytest.raises(RevisionMissingError, match="no revision 7; its revisions are 1 to 2"):
        Bank.open(f"{folder}@7")
    with pytest.raises(RevisionMissingError, match="no tag 'v9'"):
        Bank.open(f"{folder}@v9")
    Bank.open(folder).close()


def test_stats(bank: Bank) -> None:
    with bank.write("m", "run") as writer:
        writer.add([make_generation(i, license="cc-by" if i else "nc") for i in range(6)])
        writer.commit()
    stats = bank.stats()
    assert (stats.prototypes, stats.nouns, stats.captions, stats.generations) == (12, 4, 6, 6)
    assert (stats.revision, stats.revisions, stats.unfinished_runs) == (1, 1, 0)
    assert stats.by_source == {"": 4, "coco": 4, "flickr": 4}
    assert stats.by_license == {"cc-by": 10, "nc": 2}
    for held in (stats.bytes_sql, stats.bytes_vectors, stats.bytes_thumbnails):
        assert held is not None
        assert held > 0
    read = json.loads(json.dumps(stats.to_json()))
    assert read["models"]["clip"]["id"] == "clip-a"
    assert read["by_source"] == {"": 4, "coco": 4, "flickr": 4}


def test_invalid_generations_write_nothing(bank: Bank) -> None:
    good, first = make_generation(1), make_generation(2)
    prototype = first.prototypes[0]
    nan = prototype.visual.copy()
    nan[0] = np.nan
    bad = {
        "holds a value that is not finite": replace(prototype, visual=nan),
        "larger than float16": replace(prototype, visual=prototype.visual * 1e6),
        r"text_key has shape \(3,\)": replace(prototype, text_key=np.ones(3, np.float32)),
        "text_key has length 2": replace(prototype, text_key=2 * present(prototype.text_key)),
        "outside the caption": replace(prototype, span=(5, 900)),
        "noun is empty": replace(prototype, noun=""),
        r"expected uint8 \(h, w\)": replace(prototype, attribution_hw=np.zeros((4, 4, 3), np.uint8)),
        "Scores.*not finite": replace(prototype, scores=replace(prototype.scores, contrast=float("inf"))),
    }
    cases = {message: replace(first, prototypes=(value,)) for message, value in bad.items()}
    cases["comes twice"] = replace(first, prototypes=(prototype, prototype))
    cases["seed -1"] = replace(first, seed=-1)
    cases[r"expected uint8 \(H, W, 3\)"] = replace(first, image_hwc=np.zeros((4, 4), np.uint8))
    cases["caption is empty"] = replace(first, caption=replace(first.caption, text=""))
    cases["lone surrogates"] = replace(first, caption=replace(first.caption, text="a \ud800 red car x"))
    cases["NUL"] = replace(first, caption=replace(first.caption, source="a\x00"))
    with bank.write("m", "run") as writer:
        for message, generation in cases.items():
            with pytest.raises(InvalidGenerationError, match=message):
                writer.add([good, generation])
        assert writer.commit() is None
    assert bank.verify().leftovers == 0


def test_thumbnail_keys_cannot_leave_the_folder(bank: Bank, folder: Path) -> None:
    secret = folder.parent / f"{'a' * 64}.webp"
    secret.write_bytes(b"x")
    for key in ("../../" + "a" * 64, "..", " ", "A" * 64, "a" * 63, "a" * 64 + "\n", "/etc/passwd"):
        with pytest.raises(ThumbnailKeyError, match="no thumbnail key"):
            bank.thumbnail(key)
    with pytest.raises(ThumbnailMissingError, match="verify"):
        bank.thumbnail("a" * 64)


def test_a_thread_may_write_while_another_reads(bank: Bank) -> None:
    ingest(bank, range(4))
    half_written, half_read = Event(), Event()

    def write() -> RevisionInfo | None:
        with bank.write("m", "thread") as writer:
            writer.add([make_generation(index) for index in range(4, 12)])
            half_written.set()
            assert half_read.wait(PATIENCE_SECONDS)
            writer.add([make_generation(index) for index in range(12, 20)])
            return writer.commit()

    def read() -> int:
        assert len(bank.nearest(text_key("car")[None], k=5)[0].ids) == 5
        return len(list(bank.infos()))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert half_written.wait(PATIENCE_SECONDS)
        assert read() == 8
        half_read.set()
        counts = [read()]
        while not writing.done():
            counts.append(read())
        written = writing.result()
    assert written is not None
    assert written.number == 2
    assert set(counts) <= {8, 40}
    assert counts == sorted(counts)
    assert len(list(bank.infos())) == 40
