"""Values in a bank's database that nobody of us wrote there: of another type, size or form."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bank_copies import copy_folder
from fuzzing import commands, survives
from hypothesis import given
from hypothesis import strategies as st

from freeda_store import Bank, export_bank
from freeda_store.errors import BankDamagedError
from freeda_store.salvage import open_to_verify
from freeda_store.sql.tables import Base

VALUES: list[Any] = [
    None,
    0,
    -1,
    2**63 - 1,
    1.5,
    "",
    "x",
    "\x00",
    "{}",
    "[1]",
    "[" * 3000,
    '{"a": NaN}',
    b"",
    b"\xff\xfe",
    b"\x00" * 16,
    "1" * 5000,
]
CELLS = [
    (table.name, column.name)
    for table in Base.metadata.sorted_tables
    for column in table.columns
    if table.name != "alembic_version"
]


@pytest.fixture
def database(tmp_path: Path, full_bank: Path) -> Path:
    """The database of a closed bank with several revisions."""
    return copy_folder(full_bank, tmp_path / "bank") / "bank.sqlite"


def look_everywhere(folder: Path) -> None:
    """Everything that reads rows."""
    with Bank.open(folder) as bank:
        for look in (bank.stats, bank.revisions, lambda: list(bank.infos()), lambda: bank.diff(1, 3)):
            survives(look)
    survives(lambda: export_bank(folder, folder.parent / "bank.zip", force=True))


def verify(folder: Path) -> None:
    with open_to_verify(folder) as bank:
        bank.verify()


def set_cell(database: Path, table: str, column: str, value: Any, row: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        rows = connection.execute(f"SELECT rowid FROM {table} ORDER BY rowid").fetchall()
        if rows:
            chosen = rows[row % len(rows)]
            connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = ?", (value, *chosen))
        connection.commit()


def test_any_value_in_any_cell_is_read_or_named(database: Path) -> None:
    whole = database.read_bytes()

    @commands
    @given(st.sampled_from(CELLS), st.sampled_from(VALUES), st.integers(0, 50))
    def check(cell: tuple[str, str], value: Any, row: int) -> None:
        for beside in database.parent.glob("bank.sqlite-*"):
            beside.unlink()
        database.write_bytes(whole)
        try:
            set_cell(database, *cell, value, row)
        except sqlite3.IntegrityError:
            return
        survives(lambda: look_everywhere(database.parent))
        survives(lambda: verify(database.parent))

    check()


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("manifest", "document", "{"),
        ("manifest", "document", "[" * 3000),
        ("manifest", "document", b"\xff"),
        ("caption", "extra", "{"),
        ("caption", "extra", "[1]"),
        ("caption", "extra", "[" * 3000),
        ("generation", "notes", "no list"),
        ("generation", "notes", '{"a": 1}'),
        ("generation", "notes", "[1]"),
        ("generation", "key", "x"),
        ("revision", "number", "one"),
        ("revision", "message", b"\xff"),
    ],
)
def test_broken_values_are_damage(database: Path, table: str, column: str, value: Any) -> None:
    set_cell(database, table, column, value, 0)
    with pytest.raises(BankDamagedError):
        export_bank(database.parent, database.parent.parent / "bank.zip")
