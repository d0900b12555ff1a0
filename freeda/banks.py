"""Banks: opened, searched, seen and corrected."""

from __future__ import annotations

from pathlib import Path

from freeda_store import Bank, BankStats, Filter, PrototypeInfo, parse_filter

__all__ = ["Bank", "BankStats", "Filter", "PrototypeInfo", "open_bank", "parse_filter"]


def open_bank(address: str | Path) -> Bank:
    """Open a bank to read it, beside other processes; use it in a ``with`` block, or close it.

    The first method that writes takes hold of the bank, which one process at a time can.

    Args:
        address: a folder or the name of a profile; ``flowers@3`` is its revision 3, ``flowers@v2`` a
            tagged one.

    Raises:
        BankMissingError: there is no bank.
        FreedaError: it cannot be opened; see :meth:`freeda_store.Bank.read`.
    """
    return Bank.read(address)
