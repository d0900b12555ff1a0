"""A bank's manifest without its lock: read before it is known with which models to open the bank."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from freeda_store.address import DATABASE_NAME, Address
from freeda_store.bank import Bank
from freeda_store.errors import BankMissingError
from freeda_store.manifest import Manifest


def read_manifest(address: str | Path) -> Manifest:
    """The manifest of a bank, which never changes. Of a folder only one row is read, whoever has it open.

    Raises:
        BankError: see :meth:`freeda_store.Bank.read`, which a hosted or a damaged bank is opened with.
    """
    database = Address.parse(address).folder / DATABASE_NAME
    document = _document(database.absolute()) if database.is_file() else None
    if document is not None:
        return Manifest.from_json(document)
    with Bank.read(address) as bank:
        return bank.manifest


def is_there(address: str | Path) -> bool:
    """Whether there is a bank.

    Raises:
        BankError: those of :func:`read_manifest` but for a missing bank.
    """
    try:
        read_manifest(address)
    except BankMissingError:
        return False
    return True


def _document(database: Path) -> str | None:
    """The manifest's JSON; None when the file cannot be read without a lock."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT document FROM manifest").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):  # what is damaged is told by opening it
        return None
    return str(row[0]) if row is not None else None
