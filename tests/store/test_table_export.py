"""A bank as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyarrow import parquet
from store_makers import make_generation

from freeda_store import Bank, Filter, PrototypeInfo, Scores, parse_filter
from freeda_store.errors import StorageError, TableFormatError
from freeda_store.views.table_export import COLUMNS, export_table


@pytest.fixture
def filled(bank: Bank) -> Bank:
    for name, indices in (("first", range(5)), ("second", range(5, 9))):
        with bank.write(name, name) as writer:
            writer.add([make_generation(index) for index in indices])
            writer.commit()
    return bank


def expected(infos: list[PrototypeInfo]) -> list[dict[str, object]]:
    return [{name: column.value(info) for name, column in COLUMNS.items()} for info in infos]


def test_parquet_holds_all_that_is_known(filled: Bank, tmp_path: Path) -> None:
    path = tmp_path / "new" / "bank.parquet"
    assert export_table(filled, path) == 18
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    infos = list(filled.infos())
    assert table.to_pylist() == expected(infos)
    row, info = table.to_pylist()[3], infos[3]
    assert (row["id"], row["revision"]) == (str(info.id), info.revision)
    assert (row["caption"], row["license"], row["url"]) == (info.caption, info.license, info.url)
    assert (row["span_start"], row["span_stop"]) == info.span
    assert row["clip_agreement"] == info.scores.clip_agreement
    assert (row["picture_key"], row["attribution_key"]) == (info.picture_key, info.attribution_key)


def test_csv_says_the_same_of_what_passes(filled: Bank, tmp_path: Path) -> None:
    where = parse_filter(["source=coco"])
    rows = export_table(filled, tmp_path / "bank.CSV", where)
    with (tmp_path / "bank.CSV").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    infos = list(filled.infos(where))
    assert rows == len(found) == len(infos) > 0
    assert found == [{name: str(value) for name, value in row.items()} for row in expected(infos)]


def test_scores_that_were_never_made_are_empty(bank: Bank, tmp_path: Path) -> None:
    drawn = make_generation(1, prototypes=1)
    unknown = replace(drawn.prototypes[0], scores=Scores(0, 0, 0, 0))
    with bank.write("unknown", "unknown") as writer:
        writer.add([replace(drawn, prototypes=(unknown,))])
        writer.commit()
    export_table(bank, tmp_path / "bank.parquet")
    (row,) = parquet.read_table(tmp_path / "bank.parquet").to_pylist()
    assert [row[name] for name in ("contrast", "area", "clip_agreement")] == [None] * 3
    assert row["outlier_distance"] == 0


def test_many_batches_join(filled: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeda_store.views.table_export._BATCH_ROWS", 7)
    export_table(filled, tmp_path / "bank.parquet")
    assert parquet.read_table(tmp_path / "bank.parquet").to_pylist() == expected(list(filled.infos()))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_an_empty_bank_gives_an_empty_table(bank: Bank, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bank{suffix}"
    assert export_table(bank, path) == 0
    names = parquet.read_table(path).column_names if suffix == ".parquet" else path.read_text().split(",")
    assert [name.strip() for name in names] == list(COLUMNS)


def test_an_unknown_suffix_is_refused_before_anything_is_written(bank: Bank, tmp_path: Path) -> None:
    with pytest.raises(TableFormatError, match=r"\.parquet or \.csv"):
        export_table(bank, tmp_path / "bank.xlsx")
    assert not list(tmp_path.glob("*.xlsx"))


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_failure_leaves_the_old_file(
    filled: Bank, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out" / f"bank{suffix}"
    path.parent.mkdir()
    path.write_text("old")

    def broken(where: Filter) -> Iterator[PrototypeInfo]:
        yield next(infos(where))
        raise StorageError("the disk is gone")

    infos = filled.infos
    monkeypatch.setattr(filled, "infos", broken)
    with pytest.raises(StorageError):
        export_table(filled, path, force=True)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
