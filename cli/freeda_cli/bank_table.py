"""``freeda bank export-table``: what a bank shows as one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from freeda_cli import console
from freeda_cli.options import DEFAULT_BANK, BankOption, ForceOption, JsonOption, where_option

EPILOG = "Example: freeda bank export-table flowers.parquet --bank flowers@v2 --where 'contrast>=1.5'"

TableWhereOption = Annotated[list[str] | None, where_option("Write only prototypes that pass")]


def export_table(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE.parquet|FILE.csv", help="Where to write; its name picks the format."),
    ],
    bank: BankOption = DEFAULT_BANK,
    where: TableWhereOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a table of all prototypes, one per row, with captions, provenance, scores and text keys."""
    from freeda_store import Bank, parse_filter
    from freeda_store.views.table_export import check_table_path
    from freeda_store.views.table_export import export_table as write_table

    check_table_path(path, force=force)
    passing = parse_filter(where or [])
    with Bank.read(bank) as opened:
        rows = write_table(opened, path, passing, force=force)
    if as_json:
        console.emit_json({"path": str(path), "prototypes": rows})
        return
    console.say(f"{path}: {console.count(rows, 'prototype')}")
