"""One table of fields: records, tables and every copy of a prototype agree with it, byte for byte as ever."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from io import BytesIO
from uuid import UUID

import pytest
from pyarrow import parquet
from sqlalchemy import BigInteger, Double, Integer, String

from freeda_store.digests import record_digest
from freeda_store.fields import (
    FIELDS,
    Holder,
    Holds,
    attributes,
    caption_of,
    columns_said,
    fields_of,
    from_cells,
    from_columns,
    to_cells,
    to_columns,
    to_json,
)
from freeda_store.ids import prototype_id
from freeda_store.payload import StoredPrototype, make_payload, read_info
from freeda_store.records import Caption, Prototype, PrototypeInfo, Scores
from freeda_store.sharing.layout import GENERATIONS, PROTOTYPES
from freeda_store.sharing.part_tables import SCHEMAS, read_table, write_table
from freeda_store.sql.tables import Base
from freeda_store.vectors.collection import payload_indexes
from freeda_store.views.table_export import COLUMNS

STORED = StoredPrototype(
    id=UUID(int=1),
    generation=UUID(int=2),
    caption=Caption("a red car", "17", "coco", "CC0", "https://x.org/17"),
    seed=5,
    picture_key="ab" * 32,
    noun="red car",
    kind="compound",
    span=(2, 9),
    scores=Scores(1.25, 0.5, 0.75, 0.125),
    attribution_key="cd" * 32,
    added_in=3,
)
COLUMN_TYPES = {
    Holds.TEXT: String,
    Holds.THUMBNAIL: String,
    Holds.INTEGER: BigInteger,
    Holds.SCORE: Double,
    Holds.SPAN: Integer,
}


def test_the_checksum_of_a_record_is_that_of_every_bank_there_is() -> None:
    assert record_digest(make_payload(STORED, [7]), b"v" * 16) == bytes.fromhex(
        "a85b8cc21f7699b72d63ee1b3cc24040"
    )


def test_formats_have_the_columns_they_always_had() -> None:
    caption = ("caption", "external_id", "source", "license", "url")
    scores = ("contrast", "area", "clip_agreement", "outlier_distance")
    span = ("span_start", "span_stop")
    assert tuple(SCHEMAS[GENERATIONS]) == (
        "key",
        *caption,
        "extra",
        "origin",
        "seed",
        "picture_key",
        "notes",
        "complete",
    )
    own = ("noun", "kind", *span, "part", *scores, "attribution_key")
    assert tuple(SCHEMAS[PROTOTYPES]) == ("id", "generation", *own)
    assert [SCHEMAS[PROTOTYPES][name] for name in (*span, "area")] == ["int32", "int32", "double"]
    thumbnails = ("picture_key", "attribution_key")
    table = (
        "id",
        "revision",
        "noun",
        "kind",
        *caption,
        *span,
        "part",
        "origin",
        "seed",
        *scores,
        *thumbnails,
    )
    assert tuple(COLUMNS) == table
    indexed = {"added_in", "retired_in", "noun", "kind", *caption, "part", "origin", "seed", *scores}
    assert set(payload_indexes()) == indexed


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_field_has_its_columns_and_attributes(field: object) -> None:
    (mine,) = [each for each in FIELDS if each is field]
    columns = Base.metadata.tables[mine.holder].c
    for name in mine.columns:
        assert isinstance(columns[name].type, COLUMN_TYPES[mine.holds])
    mine.value(STORED.caption if mine.holder is Holder.CAPTION else STORED)
    info = {each.name for each in fields(PrototypeInfo)} | {each.name for each in fields(Scores)}
    assert mine.name in info


def test_every_attribute_is_a_field() -> None:
    told = {field.name for field in FIELDS if field.holds is not Holds.SCORE} | {"scores", "id", "revision"}
    assert {each.name for each in fields(PrototypeInfo)} == told
    scores = {field.name for field in FIELDS if field.holds is Holds.SCORE}
    assert {each.name for each in fields(Scores)} == scores


def test_fields_that_came_later_are_said_only_where_they_say_something() -> None:
    learned = replace(STORED, origin="learned", part=2)
    assert not make_payload(STORED).keys() & {"origin", "part"}
    assert make_payload(learned) == make_payload(STORED) | {"origin": "learned", "part": 2}
    info = read_info(STORED.id, make_payload(learned), lambda revision: revision)
    assert (info.origin, info.part) == ("learned", 2)
    said = make_payload(STORED) | {"origin": "generated", "part": 0}
    assert read_info(STORED.id, said, int) == read_info(STORED.id, make_payload(STORED), int)
    assert record_digest(said, b"v") == record_digest(make_payload(STORED), b"v")
    assert record_digest(make_payload(learned), b"v") != record_digest(said, b"v")
    assert prototype_id(UUID(int=2), 3, "car", (0, 3), 1) != prototype_id(UUID(int=2), 3, "car", (0, 3))


def test_files_have_later_columns_only_where_they_say_something() -> None:
    usual = dict.fromkeys(SCHEMAS[PROTOTYPES], "") | dict.fromkeys(
        ("span_start", "span_stop", "contrast", "area", "clip_agreement", "outlier_distance", "part"), 0
    )
    plain, parted = write_table(PROTOTYPES, [usual]), write_table(PROTOTYPES, [usual, usual | {"part": 3}])
    names = [parquet.ParquetFile(BytesIO(data)).schema_arrow.names for data in (plain, parted)]
    assert ["part" in each for each in names] == [False, True]
    assert [row["part"] for data in (plain, parted) for row in read_table(PROTOTYPES, data)] == [0, 0, 3]


def test_json_says_every_field() -> None:
    info = read_info(STORED.id, make_payload(STORED), lambda revision: revision + 10)
    told = json.loads(json.dumps(to_json(info)))
    assert told == json.loads(json.dumps(asdict(info), default=str))


def test_what_is_written_is_read_again() -> None:
    info = read_info(STORED.id, make_payload(STORED), lambda revision: revision + 10)
    assert (info.caption, info.span, info.scores, info.revision) == ("a red car", (2, 9), STORED.scores, 13)
    values = from_columns(Holder.PROTOTYPE, to_columns(Holder.PROTOTYPE, STORED).__getitem__)
    assert values == from_cells(Holder.PROTOTYPE, to_cells(Holder.PROTOTYPE, STORED))
    again = Prototype(id=STORED.id, **attributes(values))
    assert all(getattr(again, each.name) == getattr(STORED, each.name) for each in fields(Prototype))
    owners = {Holder.CAPTION: STORED.caption, Holder.GENERATION: STORED, Holder.PROTOTYPE: STORED}
    for holder, owner in owners.items():
        assert columns_said(holder, make_payload(STORED)) == to_columns(holder, owner)
        assert fields_of(holder)
    assert (
        caption_of(from_cells(Holder.CAPTION, to_cells(Holder.CAPTION, STORED.caption)), {}) == STORED.caption
    )
