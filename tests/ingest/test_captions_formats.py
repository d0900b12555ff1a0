"""Captions as the world has them: each kind of file gives the captions that a person sees in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freeda_ingest.captions.detection import CaptionFormat
from freeda_ingest.captions.documents import CaptionArray, read_document
from freeda_ingest.captions.provenance import plain_text
from freeda_ingest.captions.reader import Record, open_captions, read_captions
from freeda_ingest.captions.records import DEFAULT_LIMITS, BlankLines, ReaderLimits, Reject
from freeda_ingest.captions.tables import TableLayout, read_table
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption

KARPATHY = {
    "images": [
        {
            "filepath": "val2014",
            "sentids": [770337, 771687],
            "filename": "COCO_val2014_000000391895.jpg",
            "imgid": 0,
            "split": "test",
            "sentences": [
                {"tokens": ["a", "man"], "raw": "A man with a red helmet.", "imgid": 0, "sentid": 770337},
                {"tokens": ["a", "moped"], "raw": "A moped on a dirt road. ", "imgid": 0, "sentid": 771687},
            ],
            "cocoid": 391895,
        },
        {"sentences": [{"raw": "A dog", "sentid": 3}], "split": "train"},
    ],
    "dataset": "coco",
}
NOCAPS = {
    "licenses": [],
    "info": {"description": "nocaps"},
    "images": [
        {"id": 0, "coco_url": "https://open/0.jpg", "license": 0, "domain": "near-domain", "width": 732}
    ],
    "annotations": [
        {"image_id": 0, "id": 0, "caption": "A baby is standing in front of a house."},
        {"image_id": 0, "id": 1, "caption": "A little girl in a white jacket."},
    ],
}
LLAVA = [
    {
        "id": "004539375",
        "image": "00453/004539375.jpg",
        "conversations": [
            {"from": "human", "value": "Render a clear and concise summary of the photo.\n<image>"},
            {"from": "gpt", "value": "select luxury furniture 3 - inch gel memory foam mattress topper"},
            {"from": "human", "value": "What colour is it?"},
            {"from": "gpt", "value": "It is white."},
        ],
    }
]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(records: Iterator[Record]) -> list[str]:
    return [record.text for record in records if isinstance(record, Caption)]


def rejects(records: Iterator[Record]) -> list[tuple[int, str]]:
    return [(record.line, record.reason) for record in records if isinstance(record, Reject)]


def test_karpathy_gives_each_sentence(tmp_path: Path) -> None:
    first, second, third = read_captions(write(tmp_path / "dataset_coco.json", json.dumps(KARPATHY)))
    assert isinstance(first, Caption)
    assert (first.text, first.external_id) == ("A man with a red helmet.", "770337")
    assert first.extra["filename"] == "COCO_val2014_000000391895.jpg"
    assert first.extra["split"] == "test"
    assert "sentences" not in first.extra
    assert isinstance(second, Caption)
    assert (second.text, second.external_id) == ("A moped on a dirt road.", "771687")
    assert isinstance(third, Caption)
    assert third.external_id == "3"


def test_nocaps_is_coco(tmp_path: Path) -> None:
    path = write(tmp_path / "nocaps.json", json.dumps(NOCAPS))
    assert open_captions(path).layout.format is CaptionFormat.COCO
    first, _ = read_captions(path)
    assert isinstance(first, Caption)
    assert (first.text, first.external_id, first.source, first.url) == (
        "A baby is standing in front of a house.",
        "0",
        "coco",
        "https://open/0.jpg",
    )


@pytest.mark.parametrize("first", ["year", "note", "type", "images"])
@pytest.mark.parametrize("indent", [None, 2])
def test_coco_whatever_key_comes_first(tmp_path: Path, first: str, indent: int | None) -> None:
    values: dict[str, Any] = {"year": 2017, "note": {"annotations": [{"text": "no"}]}, "type": None}
    document = {first: values.get(first, NOCAPS["images"]), **NOCAPS}
    path = write(tmp_path / "coco.json", json.dumps(document, indent=indent))
    assert texts(read_captions(path)) == [
        "A baby is standing in front of a house.",
        "A little girl in a white jacket.",
    ]


@pytest.mark.parametrize("lines", [False, True])
def test_of_a_conversation_the_first_answer(tmp_path: Path, lines: bool) -> None:
    content = json.dumps(LLAVA[0]) + "\n" if lines else json.dumps(LLAVA, indent=1)
    [caption] = read_captions(write(tmp_path / "chat", content))
    assert caption == Caption(
        "select luxury furniture 3 - inch gel memory foam mattress topper",
        "004539375",
        extra={"image": "00453/004539375.jpg"},
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('["a red car", "two boats"]', ["a red car", "two boats"]),
        ('[{"caption": "a red car"}, {"caption": "two boats"}]', ["a red car", "two boats"]),
        ('{"data": [{"text": "a red car"}, {"text": "two boats"}]}', ["a red car", "two boats"]),
        ('[\n {"captions": ["a red car", "two boats"], "id": 1}\n]\n', ["a red car", "two boats"]),
        ('{"file_name": "1.png", "text": "a red car"}\n{"text": "two boats"}\n', ["a red car", "two boats"]),
        ("url\tTEXT\nhttp://a\ta red car\nhttp://b\ttwo boats\n", ["a red car", "two boats"]),
        ("image,caption\n1.jpg,a red car\n2.jpg,two boats\n", ["a red car", "two boats"]),
        ("name| number| comment\n1.jpg| 0| a red car\n1.jpg| 1| two boats\n", ["a red car", "two boats"]),
        ("id;Caption;url\n1;a red car;u\n2;two boats;v\n", ["a red car", "two boats"]),
        ('image,caption\r\n1.jpg,"a ""red"", old\r\ncar"\r\n', ['a "red", old car']),
    ],
)
def test_files_without_a_word_about_what_they_are(tmp_path: Path, content: str, expected: list[str]) -> None:
    assert texts(read_captions(write(tmp_path / "captions", content))) == expected
    for packed, name in ((gzip.compress, "c.gz"), (zstd, "c.zst")):
        assert texts(read_captions(write(tmp_path / name, packed(content.encode())))) == expected
    for encoding in ("utf-16", "utf-8-sig"):
        assert texts(read_captions(write(tmp_path / encoding, content.encode(encoding)))) == expected


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


def test_columns_become_provenance(tmp_path: Path) -> None:
    path = write(tmp_path / "laion.csv", "URL,TEXT,LICENSE,width,note\nhttp://a,a cat,cc0,64,\n")
    assert list(read_captions(path, source="laion")) == [
        Caption("a cat", "", "laion", "cc0", "http://a", {"width": "64"})
    ]


def test_a_table_without_a_header_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "Flickr8k.token.txt", '1.jpg#0\tA child"s dress\n1.jpg#1\t"A girl"\n')
    first, second = read_captions(path, field="2")
    assert first == Caption('A child"s dress', extra={"column 1": "1.jpg#0"})
    assert second == Caption("A girl", extra={"column 1": "1.jpg#1"})


def test_bad_rows_are_named(tmp_path: Path) -> None:
    content = (
        b"id,caption\n1,one\n2\n\n3,\n4,\xff\n"
        + b"5,\xc3\xa9t\xc3\xa9\n" * 3
        + b'6,"'
        + b"x" * 140_000
        + b"\n7,last\n"
    )
    path = write(tmp_path / "table.csv", content)
    assert texts(read_captions(path)) == ["one", "été", "été", "été", "last"]
    found = rejects(read_captions(path))
    assert found[:3] == [
        (3, "1 columns, not 2 as the first row has"),
        (5, "empty caption"),
        (6, "not UTF-8 (byte 3 is 0xff)"),
    ]
    assert "field larger than field limit" in found[3][1]
    assert list(read_captions(path))[-1] == BlankLines(1)


def test_a_long_row_is_rejected_without_being_kept() -> None:
    layout = TableLayout(",", ("id", "caption"), "caption", header=False)
    chunks = [b"1,one\n2,", b"x" * 5000, b"\n3,three\n"]
    records = list(read_table(chunks, layout, "", ReaderLimits(record_bytes=50)))
    assert texts(iter(records)) == ["one", "three"]
    assert rejects(iter(records)) == [(2, "5,002 bytes, over the limit of 50")]


def parquet(path: Path, table: pa.Table, **options: Any) -> Path:
    pq.write_table(table, path, **options)
    return path


def test_parquet_without_its_pictures(tmp_path: Path) -> None:
    table = pa.table(
        {
            "image": pa.array([{"bytes": b"\x89PNG", "path": "1.png"}] * 3),
            "text": pa.array(["a cat", None, "a dog &amp; a ball"]).dictionary_encode(),
            "id": [1, 2, 3],
            "score": [0.5, 0.5, float("nan")],
        }
    )
    records = list(read_captions(parquet(tmp_path / "train-00000-of-00001.parquet", table)))
    assert records[0] == Caption("a cat", "1", extra={"score": 0.5})
    assert isinstance(records[1], Reject)
    assert (records[1].line, records[1].reason) == (2, "no field 'text'")
    assert records[2] == Caption("a dog & a ball", "3", extra={"text": "a dog &amp; a ball"})


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd])
def test_parquet_with_several_captions_a_row(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    table = pa.table({"caption": [["a cat", "a grey cat"], ["a dog"]], "filename": ["1.jpg", "2.jpg"]})
    plain = parquet(tmp_path / "flickr30k.parquet", table, row_group_size=1)
    path = write(tmp_path / "packed", pack(plain.read_bytes()))
    reader = open_captions(path)
    assert reader.estimate() == 2
    assert texts(reader.records()) == ["a cat", "a grey cat", "a dog"]


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_a_hugging_face_imagefolder(tmp_path: Path, name: str) -> None:
    (tmp_path / "1.png").touch()
    if name.endswith("parquet"):
        parquet(tmp_path / name, pa.table({"file_name": ["1.png"], "text": ["a red car"]}))
    else:
        told = '{"file_name": "1.png", "text": "a red car"}\n'
        write(tmp_path / name, told if name.endswith("jsonl") else "file_name,text\n1.png,a red car\n")
    assert list(read_captions(tmp_path)) == [Caption("a red car", extra={"file_name": "1.png"})]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"alt": "a cat", "caption": "no"}\n'),
        ("a.json", '[{"alt": "a cat", "caption": "no"}]'),
        ("a.json", '{"annotations": [{"alt": "a cat", "caption": "no"}]}'),
        ("a.csv", "caption,alt\nno,a cat\n"),
        ("a.txt", "caption\talt\nno\ta cat\n"),
    ],
)
def test_the_field_that_was_asked_for(tmp_path: Path, name: str, content: str) -> None:
    assert texts(read_captions(write(tmp_path / name, content), field="alt")) == ["a cat"]


def test_the_format_that_was_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "caption, text and a boat\na cat, text\n")
    assert texts(read_captions(path)) == ["caption, text and a boat", "a cat, text"]
    path = write(tmp_path / "b.csv", "caption\na cat\n")
    assert texts(read_captions(path)) == ["a cat"]
    assert texts(read_captions(path, format=CaptionFormat.TEXT)) == ["caption", "a cat"]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("a cat &amp; a dog", "a cat & a dog"),
        ("a &amp;quot;red&amp;quot; car", 'a "red" car'),
        ("food &notes, fish&chips, AT&T &", "food &notes, fish&chips, AT&T &"),
        ("a cafe&#769; &#x1F697;", "a café 🚗"),
        ("cafe\u0301\u00a0 table", "café table"),
        ("&nbsp;a&#0;cat&#xD800;", "a\ufffdcat\ufffd"),
        ("&bogus; car", "&bogus; car"),
    ],
)
def test_text_as_it_is_drawn(written: str, plain: str, tmp_path: Path) -> None:
    assert plain_text(written) == plain
    [record] = read_captions(write(tmp_path / "a.jsonl", json.dumps({"caption": written})))
    assert isinstance(record, Caption)
    assert record.text == plain
    changed = "&amp;" in written or "&#" in written or "\u0301" in written
    assert record.extra == ({"caption": written} if changed else {})


@given(st.text())
def test_what_is_plain_stays_plain(text: str) -> None:
    once = plain_text(text)
    assert "  " not in once
    if "&" not in text:
        assert plain_text(once) == once


TABLE = ["id", "caption", ",", "\t", ";", '"', "\n", "\r", "a cat", "é", "\x00", "1", " "]


@given(
    st.lists(st.sampled_from(TABLE), max_size=30).map("".join).map(str.encode) | st.binary(max_size=200),
    st.sampled_from(["a.csv", "a.tsv", "a.csv.gz", "a.csv.zst", "a.parquet"]),
    st.booleans(),
)
@example(b"PAR1" + b"\x00" * 20 + b"PAR1", "a.parquet", False)
@example(b'id,caption\n1,"a cat\n', "a.csv", False)
@example(b"", "a.csv.gz", True)
def test_any_bytes_are_a_table_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str, cut: bool
) -> None:
    if name.endswith(".gz"):
        content = gzip.compress(b"id,caption\n" + content)
    elif name.endswith(".zst"):
        content = zstd(b"id,caption\n" + content)
    path = write(tmp_path_factory.mktemp("table") / name, content[: -3 if cut else None])
    try:
        records = list(read_captions(path))
    except CaptionsError:
        return
    for record in records:
        if isinstance(record, Caption):
            record.text.encode()
            assert record.text.strip()
            json.dumps(dict(record.extra), allow_nan=False).encode()


def test_captions_come_before_the_file_ends() -> None:
    asked = 0

    def chunks() -> Iterator[bytes]:
        nonlocal asked
        yield b"["
        for number in range(1000):
            asked = number
            yield b'{"caption": "a cat %d"},' % number

    records = read_document(chunks(), CaptionArray("", "caption"), "", DEFAULT_LIMITS)
    assert next(records) == Caption("a cat 0")
    assert asked < 5


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_packed_file_that_was_cut_gives_what_it_has(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = "".join(f"a cat number {number * 7919 % 10007}\n" for number in range(60_000))
    path = write(tmp_path / "captions.txt.packed", pack(lines.encode())[:-9])
    records = list(read_captions(path))
    found = texts(iter(records))
    assert len(found) > 40_000
    assert found[:-1] == lines.splitlines()[: len(found) - 1]
    [(line, reason)] = rejects(iter(records))
    assert line == 0
    assert "data end too soon or are broken" in reason
