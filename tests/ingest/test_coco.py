from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeda_ingest.captions import sources
from freeda_ingest.captions.coco import read_coco
from freeda_ingest.captions.json_scan import UnfinishedJsonError, scan_elements
from freeda_ingest.captions.reader import read_captions
from freeda_ingest.captions.records import ReaderLimits, Reject
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption

COCO = {
    "info": {"description": 'a "set" of [brackets], {braces}', "year": 2017},
    "licenses": [
        {"url": "http://cc", "id": 1, "name": "Attribution License"},
        {"id": 4, "name": "Attribution-NonCommercial License"},
    ],
    "images": [
        {"license": 4, "file_name": "9.jpg", "coco_url": "http://coco/9.jpg", "id": 9},
        {"license": 77, "flickr_url": "http://flickr/5.jpg", "id": 5},
    ],
    "annotations": [
        {"image_id": 9, "id": 48, "caption": 'A bicycle, with a clock \\ as the "front" wheel.\n'},
        {"image_id": 5, "id": 49, "caption": "A room [blue] {white}"},
        {"image_id": 1000, "id": 50, "caption": "An image nobody knows"},
    ],
}


def expected() -> list[Caption]:
    return [
        Caption(
            'A bicycle, with a clock \\ as the "front" wheel.',
            "48",
            "coco",
            "Attribution-NonCommercial License",
            "http://coco/9.jpg",
            {"image_id": 9},
        ),
        Caption("A room [blue] {white}", "49", "coco", "77", "http://flickr/5.jpg", {"image_id": 5}),
        Caption("An image nobody knows", "50", "coco", "", "", {"image_id": 1000}),
    ]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("order", [list(COCO), list(reversed(COCO))])
def test_captions_carry_address_and_licence(tmp_path: Path, indent: int | None, order: list[str]) -> None:
    path = tmp_path / "captions_train2017.json"
    path.write_text(json.dumps({name: COCO[name] for name in order}, indent=indent))
    assert list(read_captions(path)) == expected()


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(json.dumps(COCO).encode())))
    monkeypatch.setattr(sources.sys, "stdin", stdin)
    assert list(read_captions("-")) == expected()


def test_bad_annotations_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_bytes(
        b'{"images": [7, {"id": [1]}], "annotations": [{"caption": "one"}, 5, "text", {"caption": 3}, '
        b'{"id": 1}, {"caption": "\xff"}, {"caption": "' + b"x" * 300 + b'"}, [], {"caption": "two"}]}'
    )
    records = list(read_captions(path, limits=ReaderLimits(record_bytes=200)))
    assert [record.text for record in records if isinstance(record, Caption)] == ["one", "two"]
    assert [record.line for record in records if isinstance(record, Reject)] == [2, 3, 4, 5, 6, 7, 8]


def test_a_file_cut_short_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    whole = json.dumps(COCO)
    path.write_text(whole[: whole.index("A room") + 3])
    first, broken, end = list(read_captions(path))
    assert first == expected()[0]
    assert isinstance(broken, Reject)
    assert broken.line == 2
    assert isinstance(end, Reject)
    assert end.line == 0
    assert "ends before its JSON document does" in end.reason


def test_no_annotations(tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    path.write_text('{"images": [], "annotations": []}')
    with pytest.raises(CaptionsError, match="with 'images', 'annotations' has no array of objects"):
        read_captions(path)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(
    document=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(values, max_size=4) | values),
    cuts=st.lists(st.integers(1, 7), min_size=1),
    ascii_only=st.booleans(),
)
def test_scanner_finds_every_element_however_the_bytes_come(
    document: dict[str, object], cuts: list[int], ascii_only: bool
) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", errors="surrogatepass")
    chunks: list[bytes] = []
    start = 0
    while start < len(raw):
        size = cuts[len(chunks) % len(cuts)]
        chunks.append(raw[start : start + size])
        start += size
    found: dict[str, list[object]] = {}
    for element in scan_elements(chunks, {"a", "b"}, 10_000):
        assert element.size >= len(element.raw)
        row = found.setdefault(element.array, [])
        row.append(json.loads(element.raw.decode("utf-8", errors="surrogatepass")))
        assert element.position == len(row)
    assert found == {
        name: list(value)
        for name, value in document.items()
        if name in ("a", "b") and isinstance(value, list) and value
    }


@given(st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_after_a_coco_start_are_read(noise: bytes, keep: int) -> None:
    start = b'{"annotations": [{"caption": "one"}, {"caption": "two"}], "images": []}'
    records = list(read_coco(lambda: iter([start[:keep] + noise]), "", ReaderLimits()))
    assert all(isinstance(record, Caption | Reject) for record in records)
    assert records


def test_depth_costs_no_memory() -> None:
    scanned = scan_elements([b'{"a": [' + b"[" * 300_000], {"a"}, 100)
    element = next(scanned)
    assert element.size == 300_000
    assert len(element.raw) == 100
    with pytest.raises(UnfinishedJsonError):
        next(scanned)
