"""Files of a part that nobody exported, though their sums are right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from safetensors.numpy import save
from store_makers import TEXT_DIM, VISUAL_DIM

from freeda_store import Caption, Scores, generation_key
from freeda_store.errors import ArchiveError
from freeda_store.ids import prototype_id
from freeda_store.records import Prototype
from freeda_store.sharing.layout import GENERATIONS, PROTOTYPES, RETIREMENTS, THUMBNAILS, VECTORS
from freeda_store.sharing.part_files import decode_part, encode_part
from freeda_store.sharing.part_tables import decode_retirements, encode_retirements, read_table, write_table
from freeda_store.sharing.parts import Part, SharedGeneration
from freeda_store.vectors.protocol import VectorSizes

SIZES = VectorSizes(TEXT_DIM, VISUAL_DIM)
PICTURE, MAP = b"a picture", b"a map"


def key_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_part(captions: list[Caption], nouns: list[str]) -> Part:
    generations = []
    for seed, caption in enumerate(captions):
        key = generation_key(caption, seed)
        prototypes = [
            Prototype(
                prototype_id(key, 1, noun, (0, 1)),
                noun,
                "noun",
                (0, 1),
                Scores(1.5, 0.25, 0.3, 0),
                key_of(MAP),
            )
            for noun in nouns
        ]
        prototypes.sort(key=lambda prototype: prototype.id)
        generations.append(
            SharedGeneration(key, caption, seed, key_of(PICTURE), ("a note",), True, tuple(prototypes))
        )
    generations.sort(key=lambda generation: generation.key)
    count = len(captions) * len(nouns)
    rng = np.random.default_rng(count)
    texts = rng.standard_normal((count, TEXT_DIM)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    visuals = rng.standard_normal((count, VISUAL_DIM)).astype(np.float16)
    return Part(
        tuple(generations),
        texts,
        visuals,
        {key_of(data): data for data in (PICTURE, *([MAP] if nouns else []))},
    )


PART = make_part(
    [Caption("a car", license="CC0", extra={"deep": [1, None]}), Caption("a tree")], ["car", "tree"]
)

words = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words, lambda inner: st.lists(inner, max_size=3)
)
captions = st.builds(
    Caption,
    text=words.filter(bool),
    external_id=words,
    source=words,
    license=words,
    url=words,
    extra=st.dictionaries(words, values, max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(captions, min_size=1, max_size=4), st.lists(words.filter(bool), max_size=3, unique=True))
def test_any_part_comes_back(captions: list[Caption], nouns: list[str]) -> None:
    part = make_part(captions, nouns)
    files = encode_part(part)
    back = decode_part(files, "here", SIZES)
    assert back.generations == part.generations
    assert back.thumbnails == part.thumbnails
    np.testing.assert_array_equal(back.texts, part.texts)
    np.testing.assert_array_equal(back.visuals, part.visuals)
    assert encode_part(back) == files


def edited(file: str, **changes: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """Change columns of a table's first row."""

    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        first, *rest = read_table(file, files[file])
        return {file: write_table(file, [first | changes, *rest])}

    return change


def bomb(**options: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """A small table of very long texts."""

    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        first, *_ = read_table(PROTOTYPES, files[PROTOTYPES])
        table = parquet.read_table(
            pa.BufferReader(write_table(PROTOTYPES, [first | {"noun": "o" * 10_000}] * 500))
        )
        buffer = BytesIO()
        parquet.write_table(table, buffer, **options)
        assert buffer.tell() < 100_000
        return {PROTOTYPES: buffer.getvalue()}

    return change


def swapped(files: dict[str, bytes]) -> dict[str, bytes]:
    """Prototypes in another order than their generations: vectors would change hands."""
    rows = list(read_table(PROTOTYPES, files[PROTOTYPES]))
    return {PROTOTYPES: write_table(PROTOTYPES, [rows[0], rows[2], rows[1], rows[3]])}


def nulls(files: dict[str, bytes]) -> dict[str, bytes]:
    table = parquet.read_table(pa.BufferReader(files[PROTOTYPES]))
    fields = [field.with_nullable(True) for field in table.schema]
    columns = [pa.array([None] * len(table), field.type) for field in fields]
    buffer = BytesIO()
    parquet.write_table(
        pa.table(columns, schema=pa.schema(fields)), buffer, compression="none", use_dictionary=False
    )
    return {PROTOTYPES: buffer.getvalue()}


def vectors(**arrays: Any) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    sound = {"texts": PART.texts, "visuals": PART.visuals}
    return lambda files: {VECTORS: save(sound | arrays)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edited(GENERATIONS, key="{" + str(PART.generations[0].key) + "}"), "not those|no id"),
        (edited(GENERATIONS, key="../../etc"), "badly formed"),
        (edited(GENERATIONS, picture_key="../../../etc/passwd"), "no thumbnail key"),
        (edited(GENERATIONS, caption="a\x00b"), "NUL"),
        (edited(GENERATIONS, extra="[]"), "no object"),
        (edited(GENERATIONS, extra='{"a": NaN}'), "NaN"),
        (edited(GENERATIONS, extra='{"a": 1e400}'), "1e400, which is too large"),
        (edited(GENERATIONS, extra="[" * 100_000), "not valid"),
        (edited(GENERATIONS, extra="{"), "not valid"),
        (edited(PROTOTYPES, attribution_key="A" * 64), "no thumbnail key"),
        (edited(PROTOTYPES, id="car"), "badly formed"),
        (edited(PROTOTYPES, kind="k" * 33), "noun of prototype"),
        (edited(PROTOTYPES, generation=str(UUID(int=5))), "not those of its generations"),
        (edited(THUMBNAILS, data=b"another picture"), "other bytes than its key"),
        (edited(THUMBNAILS, key=key_of(b"x"), data=b"x"), "not one of this part"),
        (edited(THUMBNAILS, key="../x"), "not one of this part"),
        (bomb(compression="zstd", use_dictionary=False), "grow beyond its size"),
        (bomb(compression="none", use_dictionary=True), "grow beyond its size"),
        (lambda files: {GENERATIONS: files[PROTOTYPES]}, "other columns"),
        (lambda files: {PROTOTYPES: b"PAR1"}, "cannot be read"),
        (lambda files: {PROTOTYPES: b""}, "cannot be read"),
        (nulls, "other columns"),
        (swapped, "in their order"),
        (vectors(texts=PART.texts[:3]), "expected"),
        (vectors(texts=PART.texts[:, :5]), "expected"),
        (vectors(visuals=PART.visuals.astype(np.float32)), "expected"),
        (vectors(more=PART.texts), "expected"),
        (lambda files: {VECTORS: b"\xff" * 100}, "no safetensors file"),
        (lambda files: {VECTORS: b""}, "no safetensors file"),
    ],
)
def test_a_part_that_nobody_exported(change: Any, said: str) -> None:
    files = encode_part(PART)
    with pytest.raises(ArchiveError, match=said) as raised:
        decode_part(files | change(files), "part 7 of somewhere", SIZES)
    assert "part 7 of somewhere" in str(raised.value)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([GENERATIONS, PROTOTYPES, THUMBNAILS, VECTORS]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    st.none() | st.integers(0, 3_000),
)
def test_any_bytes_are_a_part_or_refused(file: str, changes: list[tuple[int, int]], stop: int | None) -> None:
    files = encode_part(PART)
    content = bytearray(files[file])
    for place, value in changes:
        content[place % len(content)] = value
    try:
        part = decode_part(files | {file: bytes(content[:stop])}, "here", SIZES)
    except ArchiveError:
        return
    assert len(part.texts) == len(part.visuals) == len(part.prototypes)


def test_one_value_for_all_rows_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    value, rows = bytes(2**20), 256
    same = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value]))
    fields = [pa.field("key", pa.string(), nullable=False), pa.field("data", same.type, nullable=False)]
    table = pa.table([pa.array([""] * rows), same], schema=pa.schema(fields))
    buffer = BytesIO()
    parquet.write_table(
        table, buffer, compression="none", store_schema=False, dictionary_pagesize_limit=2 * len(value)
    )
    data = buffer.getvalue()
    assert len(data) < 4 * len(value)
    monkeypatch.setattr("freeda_store.sharing.part_tables._BATCH_BYTES", 2**24)
    pool, before = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        with pytest.raises(ArchiveError, match="grow beyond its size"):
            list(read_table(THUMBNAILS, data))
    finally:
        pa.set_memory_pool(before)
    assert pool.max_memory() < rows * len(value) / 4


def test_a_thumbnail_twice() -> None:
    files = encode_part(PART)
    rows = list(read_table(THUMBNAILS, files[THUMBNAILS]))
    with pytest.raises(ArchiveError, match="not one of this part"):
        decode_part(files | {THUMBNAILS: write_table(THUMBNAILS, [*rows, rows[0]])}, "here", SIZES)


def test_a_prototype_twice() -> None:
    first = PART.generations[0]
    double = replace(first, prototypes=(first.prototypes[0], first.prototypes[0]))
    part = replace(PART, generations=(double, PART.generations[1]))
    with pytest.raises(ArchiveError, match="comes twice"):
        decode_part(encode_part(part), "here", SIZES)


def test_retirements_come_back_in_their_order_only() -> None:
    ids = sorted(prototype.id for generation in PART.generations for prototype in generation.prototypes)
    assert decode_retirements(encode_retirements(ids), "here") == ids
    assert decode_retirements(encode_retirements([]), "here") == []
    for wrong in (encode_retirements(ids[::-1]), encode_retirements([ids[0], ids[0]])):
        with pytest.raises(ArchiveError, match="here is not valid"):
            decode_retirements(wrong, "here")
    with pytest.raises(ArchiveError, match="here is not valid"):
        decode_retirements(write_table(RETIREMENTS, [{"prototype": "car"}]), "here")


def test_prototypes_without_pictures_come_back() -> None:
    bare = tuple(
        replace(
            generation,
            picture_key="",
            prototypes=tuple(replace(prototype, attribution_key="") for prototype in generation.prototypes),
        )
        for generation in PART.generations
    )
    part = replace(PART, generations=bare, thumbnails={})
    back = decode_part(encode_part(part), "here", SIZES)
    assert (back.generations, back.thumbnails) == (bare, {})
    with pytest.raises(ArchiveError, match="not one of this part"):
        decode_part(encode_part(replace(part, thumbnails={"": b"x"})), "here", SIZES)
