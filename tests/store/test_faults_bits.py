"""Flipped bits, cut and swapped files of a folder's vectors: the same answers as before, or noticed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bank_copies import copy_folder
from store_makers import NOUNS, make_generation, text_key

from freeda_store import Bank, parse_filter
from freeda_store.errors import BankDamagedError, BankError
from freeda_store.salvage import open_to_verify

QUERIES = np.stack([text_key(noun) for noun in NOUNS])
COUNT = 24
FLIPS = int(os.environ.get("FREEDA_TEST_FLIPS", "24"))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, empty_bank: Path) -> Path:
    """Three revisions, the second of which hides prototypes."""
    folder = copy_folder(empty_bank, tmp_path_factory.mktemp("grown") / "bank")
    with Bank.open(folder) as bank:
        with bank.write("one", "one") as writer:
            writer.add([make_generation(i) for i in range(COUNT)])
            writer.commit()
        bank.retire(parse_filter(["noun=boat"]), "no boats")
        with bank.write("two", "two") as writer:
            writer.add([make_generation(i) for i in range(COUNT, COUNT + 6)])
            writer.commit()
    return folder


def answers(folder: Path) -> Any:
    """All that a reader can ask, at every revision."""
    told: list[Any] = []
    for version in ("", "@1", "@2"):
        with Bank.open(f"{folder}{version}") as bank:
            infos = list(bank.infos())
            vectors = bank.vectors([info.id for info in infos])
            told += [infos, vectors.text_keys.tobytes(), vectors.visuals.tobytes(), bank.stats().prototypes]
            for where in ([], ["noun=car"], ["source=coco"], ["license=cc-by"], ["noun!=tree"]):
                told += [
                    (r.ids, r.similarities.tobytes()) for r in bank.nearest(QUERIES, 7, parse_filter(where))
                ]
                told.append([info.id for info in bank.infos(parse_filter(where))])
    return told


@pytest.fixture(scope="module")
def expected(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The answers of the bank while it is whole."""
    return answers(copy_folder(grown, tmp_path_factory.mktemp("answered") / "bank"))


def is_noticed(folder: Path) -> bool:
    try:
        with open_to_verify(folder) as bank:
            return not bank.verify().ok
    except BankError:
        return True


def outcome(folder: Path, expected: Any) -> str:
    """``same``, ``noticed``, or ``wrong``: by reading, as everybody does, and then by verifying."""
    try:
        seen = answers(folder)
    except BankError:
        return "noticed"
    if seen == expected:
        return "same"
    return "noticed" if is_noticed(folder) else "wrong"


def places(path: Path) -> list[int]:
    """Where a file holds something: flipping a hole's bits is rarely of interest."""
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    return [int(place) for place in np.flatnonzero(data)]


def flips(folder: Path, count: int, seed: int) -> Iterator[tuple[str, int, int]]:
    rng = random.Random(seed)
    files = [path for path in sorted((folder / "vectors").rglob("*")) if path.is_file()]
    held = {path: places(path) for path in files}
    files = [path for path in files if held[path]]
    for number in range(count):
        path = files[number % len(files)]
        place = rng.choice(held[path]) if rng.random() < 0.8 else rng.randrange(path.stat().st_size)
        yield str(path.relative_to(folder)), place, rng.randrange(8)


def test_a_flipped_bit_changes_nothing_or_is_noticed(grown: Path, expected: Any, tmp_path: Path) -> None:
    wrong = []
    counts = {"same": 0, "noticed": 0, "wrong": 0}
    for number, (name, place, bit) in enumerate(flips(grown, FLIPS, seed=1)):
        folder = copy_folder(grown, tmp_path / str(number))
        flip(folder / name, place, bit)
        found = outcome(folder, expected)
        counts[found] += 1
        if found == "wrong":
            wrong.append((name, place, bit))

    assert wrong == []
    assert counts["noticed"] >= 2


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def indexes(folder: Path, field: str) -> list[Path]:
    return sorted((folder / "vectors").glob(f"segments/*/payload_index/*{field}-[mn][au][pm]*"))


@pytest.mark.parametrize("field", ["retired_", "added_in", "noun", "source", "license"])
def test_a_flipped_bit_of_an_indexed_value_is_found(
    grown: Path, expected: Any, tmp_path: Path, field: str
) -> None:
    """Some bytes of a page belong to nothing that is asked for: their bits change no answer."""
    rng = random.Random(field)
    kinds = indexes(grown, field)
    assert len(kinds) == (2 if field in ("retired_", "added_in") else 1)
    for kind in kinds:
        page = kind / "page_0.dat"
        tried = rng.sample(places(page), 8)
        noticed = False
        for place in tried:
            folder = copy_folder(grown, tmp_path / f"{kind.name}-{place}")
            flip(folder / page.relative_to(grown), place, rng.randrange(3))
            noticed = is_noticed(folder)
            if noticed:
                break
            assert answers(folder) == expected, (kind.name, place)
        assert noticed, (kind.name, tried)


def test_an_index_that_was_never_finished_is_found_at_opening_and_built_anew(
    grown: Path, expected: Any, tmp_path: Path
) -> None:
    folder = copy_folder(grown, tmp_path / "bank")
    for kind in indexes(folder, "retired_"):
        for path in kind.glob("*.dat"):
            path.write_bytes(b"")
            os.truncate(path, (grown / path.relative_to(folder)).stat().st_size)
    with pytest.raises(
        BankDamagedError, match=r"show 60 prototypes at revision 3, and the database lists 48"
    ):
        Bank.open(folder)
    with open_to_verify(folder) as bank:
        report = bank.verify()
        assert any("retired_in=2: 0 are found and 12 are stored" in told for told in report.wrong_answers)
        assert not report.ok
        repaired = bank.verify(repair=True)
        assert repaired.wrong_answers
        assert (repaired.lost, repaired.mended) == ((), True)
        assert repaired.kept_in == str(folder / "damaged" / "1")
        assert bank.verify().ok
    assert answers(folder) == expected
    assert (folder / "damaged" / "1" / "vectors" / "edge_config.json").is_file()
    assert not list(folder.glob("vectors.*"))


@pytest.mark.parametrize("name", ["text", "visual"])
def test_an_altered_vector_is_regained_from_the_files_of_revisions(
    grown: Path, tmp_path: Path, name: str
) -> None:
    folder = copy_folder(grown, tmp_path / "bank")
    (chunk,) = (folder / "vectors").glob(f"segments/*/vector_storage-{name}/vectors/chunk_0.mmap")
    flip(chunk, places(chunk)[len(places(chunk)) // 2], 1)
    with open_to_verify(folder) as bank:
        before = list(bank.infos())
        assert not bank.verify().ok
        repaired = bank.verify(repair=True)
        assert repaired.wrong_vectors == repaired.regained
        assert len(repaired.regained) == 1
        assert repaired.mended
        assert bank.verify().ok
        assert list(bank.infos()) == before


@pytest.mark.parametrize("name", ["text", "visual"])
def test_an_altered_vector_is_found_and_nothing_else_is_given_up(
    grown: Path, tmp_path: Path, name: str
) -> None:
    """Of a bank without files of its revisions, as earlier versions made it."""
    folder = copy_folder(grown, tmp_path / "bank")
    shutil.rmtree(folder / "revisions")
    (chunk,) = (folder / "vectors").glob(f"segments/*/vector_storage-{name}/vectors/chunk_0.mmap")
    flip(chunk, places(chunk)[len(places(chunk)) // 2], 1)
    with open_to_verify(folder) as bank:
        before = list(bank.infos())
        report = bank.verify()
        (victim,) = report.wrong_vectors
        assert (report.ok, report.mended) == (False, False)
        repaired = bank.verify(repair=True)
        assert repaired.wrong_vectors == repaired.lost == (victim,)
        assert not repaired.mended
        assert bank.verify().ok
        assert list(bank.infos()) == [info for info in before if info.id != victim]
        with bank.write("again", "again") as writer:
            writer.add([make_generation(i) for i in range(COUNT + 6)])
            assert writer.commit() is not None
        assert bank.verify().ok


def test_cut_and_swapped_files_are_noticed_or_harmless(grown: Path, expected: Any, tmp_path: Path) -> None:
    rng = random.Random(3)
    files = [path for path in sorted((grown / "vectors").rglob("*")) if path.is_file()]
    large = [path for path in files if path.stat().st_size > 100]
    for number, path in enumerate(rng.sample(large, 8)):
        folder = copy_folder(grown, tmp_path / str(number))
        target = folder / path.relative_to(grown)
        if number % 2:
            os.truncate(target, rng.randrange(path.stat().st_size))
        else:
            same = [other for other in large if other.name == path.name and other != path] or large
            other = folder / rng.choice(same).relative_to(grown)
            target.rename(tmp_path / "aside")
            other.rename(target)
            (tmp_path / "aside").rename(other)
        assert outcome(folder, expected) != "wrong", target
