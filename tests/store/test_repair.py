"""A repair overwrites only what it has proved wrong, keeps what it replaces, and survives a kill."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import warm_processes
from bank_copies import copy_folder
from hosted_makers import Team
from store_makers import WITHOUT_CHECKSUMS, make_generation

from freeda_store import Bank, VerifyReport, parse_filter
from freeda_store.errors import BankDamagedError, ReadOnlyBankError, StorageError
from freeda_store.salvage import open_to_verify, salvage
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Point

HERE = Path(__file__).parent
COUNT = 8


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_bank: Path) -> Path:
    folder = copy_folder(empty_bank, tmp_path_factory.mktemp("filled") / "bank")
    with Bank.open(folder) as bank:
        with bank.write("m", "run") as writer:
            writer.add([make_generation(i) for i in range(COUNT)])
            writer.commit()
        bank.retire(parse_filter(["noun=boat"]), "no boats")
    return folder


@pytest.fixture
def mine(filled: Path, tmp_path: Path) -> Path:
    return copy_folder(filled, tmp_path / "bank")


@pytest.fixture
def old(mine: Path) -> Path:
    """The same as an earlier version left it: without checksums."""
    sql(mine, *WITHOUT_CHECKSUMS)
    return mine


def sql(folder: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        rows = [connection.execute(statement).fetchall() for statement in statements][-1]
        connection.commit()
    return rows


def seen(folder: Path) -> Any:
    told = []
    for version in ("@1", "@2"):
        with Bank.open(f"{folder}{version}") as bank:
            vectors = bank.vectors([info.id for info in bank.infos()])
            told.append((list(bank.infos()), vectors.text_keys.tobytes(), vectors.visuals.tobytes()))
    return told


@pytest.fixture(scope="module")
def whole(filled: Path) -> Any:
    """What is seen of the bank before anything is wrong with it."""
    return seen(filled)


def repaired(folder: Path) -> VerifyReport:
    with open_to_verify(folder) as bank:
        return bank.verify(repair=True)


def is_sound(folder: Path) -> bool:
    with open_to_verify(folder) as bank:
        return bank.verify().ok


ROW_FAULTS = {
    "caption": "UPDATE caption SET text = 'cbption' || substr(text, 8) WHERE external_id = '3'",
    "source": "UPDATE caption SET source = 'cobo' WHERE external_id = '3'",
    "licence": "UPDATE caption SET license = 'cc-bx' WHERE external_id = '3'",
    "url": "UPDATE caption SET url = 'http' WHERE external_id = '3'",
    "seed": "UPDATE generation SET seed = 9 WHERE seed = 3",
    "generation's key": "UPDATE generation SET key = '{other}' WHERE seed = 3",
    "picture": "UPDATE generation SET picture_key = 'b' || substr(picture_key, 2) WHERE seed = 3",
    "noun": "UPDATE prototype SET noun = 'cbr' WHERE id = '{one}'",
    "kind": "UPDATE prototype SET kind = 'nomn' WHERE id = '{one}'",
    "span": "UPDATE prototype SET span_start = 65 WHERE id = '{one}'",
    "score": "UPDATE prototype SET area = 0.75 WHERE id = '{one}'",
    "owner": "UPDATE prototype SET generation_id = generation_id % 8 + 1 WHERE id = '{one}'",
    "caption's owner": (
        "UPDATE generation SET caption_id = (SELECT id FROM caption WHERE external_id = '4') WHERE seed = 3"
    ),
    "revision": "UPDATE prototype SET revision_id = 2 WHERE id = '{one}'",
    "id": "UPDATE prototype SET id = '{other}' WHERE id = '{one}'",
    "row gone": "DELETE FROM prototype WHERE id = '{one}'",
    "retirement gone": "DELETE FROM retirement WHERE rowid = (SELECT min(rowid) FROM retirement)",
    "retirement made up": "INSERT INTO retirement VALUES ('{one}', 2)",
}
WITHOUT_CHECKSUM = ("caption", "source", "licence", "url", "seed", "generation's key", "noun", "span", "id")


def damage_row(folder: Path, fault: str) -> None:
    (one,) = sql(
        folder,
        "SELECT p.id FROM prototype p JOIN generation g ON g.id = p.generation_id WHERE g.seed = 3 AND "
        "p.id NOT IN (SELECT prototype_id FROM retirement) ORDER BY p.id LIMIT 1",
    )
    sql(folder, ROW_FAULTS[fault].format(one=one[0], other=uuid4().hex))


@pytest.mark.parametrize("fault", ROW_FAULTS)
def test_a_row_that_its_point_proves_wrong_is_restored(
    filled: Path, whole: Any, mine: Path, fault: str
) -> None:
    damage_row(mine, fault)
    assert not is_sound(mine)
    report = repaired(mine)
    assert report.wrong_rows
    assert report.wrong_payloads == report.rows_without_point == report.points_without_row == ()
    assert (report.contradictions, report.lost, report.mended) == ((), (), True)
    assert is_sound(mine)
    assert seen(mine) == whole
    tables = ("prototype", "generation", "caption", "retirement")
    for table in tables:
        rows = f"SELECT * FROM {table}"
        assert sorted(sql(mine, rows)) == sorted(sql(filled, rows)), table
    assert (Path(report.kept_in) / "bank.sqlite").is_file()


@pytest.mark.parametrize("fault", WITHOUT_CHECKSUM)
def test_ids_prove_a_row_of_an_older_bank_wrong(whole: Any, old: Path, fault: str) -> None:
    damage_row(old, fault)
    report = repaired(old)
    assert (report.contradictions, report.lost, report.mended) == ((), (), True)
    assert report.wrong_rows
    assert is_sound(old)
    assert seen(old) == whole


POINT_FAULTS: dict[str, dict[str, Any]] = {
    "caption": {"caption": "cbption"},
    "noun": {"noun": "cbr"},
    "kind": {"kind": "nomn"},
    "licence": {"license": "cc-bx"},
    "score": {"contrast": 7.0},
    "picture": {"picture_key": "f" * 64},
    "generation": {"generation": "rubbish"},
    "types": {"span": "x", "seed": None},
    "revision": {"added_in": 2},
    "retired": {"retired_in": [2]},
    "no retirements": {"retired_in": None},
    "distance": {"outlier_distance": "far"},
}


@pytest.mark.parametrize("fault", POINT_FAULTS)
def test_a_point_that_its_row_proves_wrong_is_rewritten(whole: Any, mine: Path, fault: str) -> None:
    with open_to_verify(mine) as bank:
        victim = next(bank.infos()).id
        bank._stores.vectors.set_payload([victim], POINT_FAULTS[fault])
        report = bank.verify(repair=True)
    assert report.wrong_payloads == (victim,)
    assert (report.wrong_rows, report.contradictions, report.lost) == ((), (), ())
    assert report.mended
    assert is_sound(mine)
    assert seen(mine) == whole


@pytest.mark.parametrize(
    ("field", "column"), [("kind", "kind"), ("area", "area"), ("outlier_distance", "outlier_distance")]
)
def test_what_nothing_proves_stays_as_it_is(old: Path, field: str, column: str) -> None:
    value = "'nomn'" if field == "kind" else "0.125"
    with open_to_verify(old) as bank:
        victim = next(bank.infos())
    sql(old, f"UPDATE prototype SET {column} = {value} WHERE id = '{victim.id.hex}'")
    report = repaired(old)
    (told,) = report.contradictions
    assert (told.id, told.field) == (victim.id, field)
    assert told.row == (value.strip("'") if field == "kind" else 0.125)
    assert told.point == (victim.kind if field == "kind" else getattr(victim.scores, field))
    assert not report.mended
    assert not is_sound(old)
    assert sql(old, f"SELECT {column} FROM prototype WHERE id = '{victim.id.hex}'") == [(told.row,)]
    with open_to_verify(old) as bank:
        assert bank.info(victim.id) == victim


def test_an_older_bank_gets_its_checksums(filled: Path, old: Path) -> None:
    with open_to_verify(old) as bank:
        report = bank.verify()
        assert (report.ok, report.uncompared) == (True, 2 * COUNT)
        assert bank.verify(repair=True).uncompared == 2 * COUNT
        assert bank.verify().uncompared == 0
        assert not (old / "damaged").exists()
    rows = "SELECT id, vectors_digest, record_digest FROM prototype ORDER BY id"
    assert sql(old, rows) == sql(filled, rows)


@pytest.mark.parametrize("column", ["vectors_digest", "record_digest"])
def test_a_damaged_checksum_gives_up_no_vector(filled: Path, whole: Any, mine: Path, column: str) -> None:
    (one,) = sql(mine, "SELECT min(id) FROM prototype")
    sql(mine, f"UPDATE prototype SET {column} = x'00112233445566778899aabbccddeeff' WHERE id = '{one[0]}'")
    report = repaired(mine)
    assert report.wrong_checksums == (UUID(one[0]),)
    assert (report.wrong_vectors, report.lost, report.mended) == ((), (), True)
    assert is_sound(mine)
    assert seen(mine) == whole
    rows = "SELECT * FROM prototype ORDER BY id"
    assert sql(mine, rows) == sql(filled, rows)


def test_both_checksums_damaged_prove_nothing(whole: Any, mine: Path) -> None:
    (one,) = sql(mine, "SELECT min(id) FROM prototype")
    sql(mine, f"UPDATE prototype SET vectors_digest = x'00', record_digest = x'01' WHERE id = '{one[0]}'")
    report = repaired(mine)
    assert [told.field for told in report.contradictions] == ["checksum of vectors"]
    assert (report.wrong_vectors, report.lost, report.mended) == ((), (), False)
    assert seen(mine) == whole


def test_a_point_under_a_wrong_id_gets_its_own(whole: Any, mine: Path) -> None:
    with open_to_verify(mine) as bank:
        store = bank._stores.vectors
        victim = next(bank.infos()).id
        fetched = store.fetch([victim], texts=True, visuals=True)
        store.delete([victim])
        store.upsert([Point(uuid4(), fetched.texts[0], fetched.visuals[0], fetched.payloads[0])])
        report = bank.verify(repair=True)
    assert report.wrong_payloads == (victim,)
    assert (report.points_without_row, report.rows_without_point, report.lost) == ((), (), ())
    assert seen(mine) == whole
    assert is_sound(mine)


def test_a_broken_database_is_told_and_nothing_is_repaired(mine: Path) -> None:
    sql(mine, "UPDATE generation SET caption_id = 'ffffffffffffffffffffffffffffffff' WHERE seed = 3")
    with open_to_verify(mine) as bank:
        held = bank._stores.vectors.count(PointFilter())
        report = bank.verify(repair=True)
        assert report.database_faults == ("1 row of generation name by caption_id no caption",)
        assert (report.repaired, report.mended, report.kept_in) == (False, False, "")
        assert bank._stores.vectors.count(PointFilter()) == held == 2 * COUNT


def test_a_database_with_a_broken_page_is_told(mine: Path) -> None:
    path = mine / "bank.sqlite"
    sql(mine, "PRAGMA journal_mode=DELETE")
    (root,) = sql(mine, "SELECT rootpage FROM sqlite_master WHERE name = 'ix_prototype_noun'")
    (size,) = sql(mine, "PRAGMA page_size")
    with path.open("r+b") as file:
        file.seek((root[0] - 1) * size[0] + size[0] - 40)
        file.write(b"\xff" * 8)
    before = path.read_bytes()
    try:
        with open_to_verify(mine) as bank:
            report = bank.verify(repair=True)
    except BankDamagedError:
        pass
    else:
        assert report.database_faults
        assert not report.repaired
    assert path.read_bytes() == before


@pytest.mark.skipif(shutil.which("chattr") is None or os.geteuid() != 0, reason="needs chattr and root")
def test_an_immutable_file_is_no_damage(whole: Any, mine: Path) -> None:
    (page,) = (mine / "vectors").glob("segments/*/payload_storage/page_0.dat")
    if subprocess.run(["chattr", "+i", str(page)], check=False, capture_output=True).returncode:
        pytest.skip("the file system knows no attributes")
    names = sorted(path.name for path in mine.iterdir())
    try:
        with Bank.open(mine) as reader:
            assert reader.verify().ok
        with pytest.raises(StorageError, match=f"{page} cannot be used"):
            salvage(mine)
        with open_to_verify(mine) as reader, pytest.raises(ReadOnlyBankError, match=str(page)):
            reader.verify(repair=True)
        assert sorted(path.name for path in mine.iterdir()) == names
    finally:
        subprocess.run(["chattr", "-i", str(page)], check=True)
    assert seen(mine) == whole
    assert is_sound(mine)


def test_a_repair_without_room_replaces_nothing(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_to_verify(mine) as bank:
        victim = next(bank.infos()).id
        bank._stores.vectors.set_payload([victim], {"noun": "cbr"})
        monkeypatch.setattr("freeda_store.repair.rebuild.free_bytes", lambda _: 1000)
        with pytest.raises(StorageError, match=r"a repair needs .* MB of free disk space"):
            bank.verify(repair=True)
        monkeypatch.undo()
        assert bank.verify(repair=True).mended
        assert bank.verify().ok


def break_an_index(folder: Path) -> None:
    for path in (folder / "vectors").glob("segments/*/payload_index/*retired_*-[mn][au][pm]*/*.dat"):
        size = path.stat().st_size
        path.write_bytes(b"")
        os.truncate(path, size)


def break_a_segment(folder: Path) -> None:
    for path in (folder / "vectors").glob("segments/*/payload_index/*-noun-null/is_null/status.dat"):
        os.truncate(path, 8)


MOMENTS = ("after_copy", "half_built", "after_build", "after_ready", "between", "after_swap", "after_forget")


@pytest.mark.slow
@pytest.mark.parametrize("break_it", [break_an_index, break_a_segment])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_repair_is_finished_by_the_same_command(
    whole: Any, mine: Path, moment: str, break_it: Callable[[Path], None]
) -> None:
    break_it(mine)
    script = HERE / "killed_repair.py"
    killed = warm_processes.run(script, mine, moment)
    assert killed.returncode in (-signal.SIGKILL, 0)
    if killed.returncode:
        if moment in MOMENTS[:4]:
            with pytest.raises(BankDamagedError, match="verify --repair"):
                Bank.open(mine)
        done = warm_processes.run(script, mine, "never")
        assert done.returncode == 0, done.stderr
    assert is_sound(mine)
    assert seen(mine) == whole
    assert not list(mine.glob("vectors.*"))
    assert list((mine / "damaged").glob("*/vectors/edge_config.json"))


def test_a_hosted_bank_tells_of_vectors_that_are_gone_or_altered(team: Team) -> None:
    with Bank.open("team") as bank:
        with bank.write("m", "run") as writer:
            writer.add([make_generation(i) for i in range(3)])
            writer.commit()
        gone, altered, lied, *_ = sorted(info.id for info in bank.infos())
        store = bank._stores.vectors
        fetched = store.fetch([altered], texts=True, visuals=True)
        store.upsert([Point(altered, fetched.texts[0], fetched.visuals[0] + 1, fetched.payloads[0])])
        store.set_payload([lied], {"noun": "cbr", "caption": "lie"})
        store.delete([gone])
        report = bank.verify()
        assert (report.rows_without_point, report.wrong_vectors) == ((gone,), (altered,))
        assert (report.wrong_payloads, report.contradictions) == ((lied,), ())
        repaired = bank.verify(repair=True)
        assert (repaired.lost, repaired.mended) == ((gone,), False)
        after = bank.verify()
        assert (after.ok, after.wrong_vectors, after.wrong_payloads) == (False, (altered,), ())
        assert len(list(bank.infos())) == 5
