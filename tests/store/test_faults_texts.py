"""Text of a bank's database that is no UTF-8 any more: told as damage, restored where a point proves it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bank_copies import copy_folder
from fuzzing import clear_result
from sqlalchemy import JSON, String
from typer.testing import CliRunner

from freeda_cli.main import app
from freeda_store import Bank, export_bank
from freeda_store.errors import BankDamagedError, BankError
from freeda_store.peek import read_manifest
from freeda_store.salvage import open_to_verify
from freeda_store.sql.tables import Base

TEXTS = [
    (table.name, column.name)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, String | JSON)
]
PROVED = [
    *(("caption", name) for name in ("text", "external_id", "source", "license", "url")),
    ("generation", "picture_key"),
    *(("prototype", name) for name in ("noun", "kind", "attribution_key")),
]
"""What points say, too."""
CALLS: list[Callable[[Bank], object]] = [
    Bank.stats,
    Bank.revisions,
    lambda bank: list(bank.infos()),
    lambda bank: bank.diff(1, 3),
]


@pytest.fixture
def folder(tmp_path: Path, full_bank: Path) -> Path:
    return copy_folder(full_bank, tmp_path / "bank")


def garble(folder: Path, table: str, column: str) -> None:
    """Flip the highest bit of the first character of a text in a table's last row and in its indexes."""
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        (row,) = connection.execute(f"SELECT max(rowid) FROM {table} WHERE length({column})").fetchone()
        read = f"SELECT CAST({column} AS BLOB) FROM {table} WHERE rowid = ?"
        (data,) = connection.execute(read, (row,)).fetchone()
        broken = bytes([data[0] ^ 0x80]) + data[1:]
        connection.execute(f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE rowid = ?", (broken, row))
        connection.commit()


def flip_in_file(folder: Path, text: bytes) -> None:
    """Flip the highest bit of the first byte of a text of the database's file."""
    path = folder / "bank.sqlite"
    data = bytearray(path.read_bytes())
    place = data.index(text)
    data[place] ^= 0x80
    path.write_bytes(data)


def counts(folder: Path) -> dict[str, int]:
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        names = [table.name for table in Base.metadata.sorted_tables]
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def look(folder: Path) -> list[Any]:
    """What every call tells; for one that refuses, its error."""
    told: list[Any] = []
    for call in CALLS:
        try:
            with Bank.open(folder) as bank:
                told.append(call(bank))
        except BankError as error:
            told.append(error)
    return told


@pytest.fixture(scope="module")
def expected(full_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What every call tells of the bank while it is whole."""
    return look(copy_folder(full_bank, tmp_path_factory.mktemp("whole") / "bank"))


def refused(told: list[Any], folder: Path) -> list[BankError]:
    errors = [each for each in told if isinstance(each, BankError)]
    for error in errors:
        assert isinstance(error, BankDamagedError), error
        assert "bank.sqlite" in str(error)
        assert "\n" not in str(error)
        assert str(error).isascii() or not str(folder).isascii()
    return errors


def run(*arguments: str) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    clear_result(result)
    return result


@pytest.mark.parametrize(("table", "column"), sorted(set(TEXTS) - set(PROVED)))
def test_every_broken_text_is_damage_of_the_database(
    folder: Path, expected: list[Any], table: str, column: str
) -> None:
    rows = counts(folder)
    garble(folder, table, column)
    told = look(folder)
    errors = refused(told, folder)
    for each, right in zip(told, expected, strict=True):
        assert isinstance(each, BankError) or each == right
    for command in (("log",), ("verify", "--repair")):
        run("bank", *command, "--bank", str(folder))
    assert counts(folder) == rows
    if errors:
        assert refused(look(folder), folder), "a repair cannot know what was there"


@pytest.mark.parametrize(("table", "column"), PROVED)
def test_what_its_point_proves_is_restored(
    folder: Path, expected: list[Any], table: str, column: str
) -> None:
    rows = counts(folder)
    garble(folder, table, column)
    refused(look(folder), folder)
    with pytest.raises(BankDamagedError, match=r"bank\.sqlite"):
        export_bank(folder, folder.parent / "bank.zip")
    with open_to_verify(folder) as bank:
        report = bank.verify()
        assert report.wrong_rows
        assert not report.contradictions
        repaired = bank.verify(repair=True)
    assert (repaired.lost, repaired.mended) == ((), not repaired.missing_thumbnails)
    with open_to_verify(folder) as bank:
        assert bank.verify().ok
    assert look(folder) == expected
    assert counts(folder) == rows


@pytest.mark.parametrize("text", [b"FOREIGN KEY", b"CREATE TABLE caption", b"CREATE INDEX"])
def test_broken_words_of_the_schema_are_damage(folder: Path, text: bytes) -> None:
    rows = counts(folder)
    whole = (folder / "bank.sqlite").read_bytes()
    flip_in_file(folder, text)
    assert len(refused(look(folder), folder)) == len(CALLS)
    with pytest.raises(BankDamagedError, match=r"bank\.sqlite is damaged"):
        read_manifest(folder)
    for command in (("log",), ("verify",), ("verify", "--repair")):
        result = run("bank", *command, "--bank", str(folder))
        assert result.exit_code == 1
        assert "bank.sqlite is damaged" in " ".join(result.stderr.split())
    (folder / "bank.sqlite").write_bytes(whole)
    assert counts(folder) == rows
    with open_to_verify(folder) as bank:
        assert bank.verify().ok


def test_a_broken_name_of_a_column_is_damage(folder: Path) -> None:
    flip_in_file(folder, b"external_id TEXT")
    with pytest.raises(BankDamagedError, match=r"bank\.sqlite"):
        export_bank(folder, folder.parent / "bank.zip")
    for options in ((), ("--repair",)):
        result = run("bank", "verify", *options, "--bank", str(folder))
        assert result.exit_code == 1
        assert "bank.sqlite is damaged" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("table", "column"), [("generation", "picture_key"), ("prototype", "attribution_key")]
)
def test_a_thumbnail_key_that_a_lost_page_left_empty_is_listed_by_a_check(
    folder: Path, table: str, column: str
) -> None:
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        schema = "UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = ?"
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(schema, (table,))
        connection.commit()
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        connection.execute(
            f"UPDATE {table} SET {column} = NULL WHERE rowid = (SELECT max(rowid) FROM {table})"
        )
        connection.commit()
    with Bank.open(folder) as bank:
        keys = bank._stores.catalog.checked_thumbnail_keys()
    assert "NULL" in keys
    assert all(isinstance(key, str) for key in keys)
