"""``freeda bank export-table`` on a small real bank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyarrow import parquet


def test_the_table_of_an_old_version(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "export-table", "out.parquet", "--bank", f"{bank}@1")
    assert result.exit_code == 0
    assert result.stdout == "out.parquet: 3 prototypes\n"
    assert sorted(parquet.read_table("out.parquet")["noun"].to_pylist()) == ["car", "car", "tree"]


def test_a_filtered_csv(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "export-table", "out.csv", "--bank", bank, "--where", "noun=dog")
    assert result.stdout == "out.csv: 1 prototype\n"
    header, row = Path("out.csv").read_text().splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["caption"] == "a dog runs"


def test_another_suffix_is_misuse(freeda: Any, bank: Path) -> None:
    result = freeda("bank", "export-table", "out.xlsx", "--bank", bank)
    assert result.exit_code == 2
    assert "out.xlsx" in result.stderr
    assert result.stderr.count("\n") == 1
