from __future__ import annotations

import codecs
import html
import io
import json
import os
import socket
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from freeda_ingest.captions import sources
from freeda_ingest.captions.detection import CaptionFormat, detect_format
from freeda_ingest.captions.reader import open_captions, read_captions
from freeda_ingest.captions.records import BlankLines, ReaderLimits, Reject
from freeda_ingest.errors import CaptionsError
from freeda_store.records import Caption


def read(tmp_path: Path, content: bytes | str, **options: object) -> list[Caption | Reject | BlankLines]:
    path = tmp_path / "captions"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_captions(path, **options))  # type: ignore[arg-type]


def texts(records: list[Caption | Reject | BlankLines]) -> list[str]:
    return [record.text for record in records if isinstance(record, Caption)]


def rejects(records: list[Caption | Reject | BlankLines]) -> list[tuple[int, str]]:
    return [(record.line, record.reason) for record in records if isinstance(record, Reject)]


def test_json_lines_keep_provenance(tmp_path: Path) -> None:
    line = {
        "caption": " A  cat\n",
        "id": 7,
        "source": "web",
        "license": "cc0",
        "url": "u",
        "width": [1],
    }
    assert read(tmp_path, json.dumps(line) + "\n") == [
        Caption("A cat", "7", "web", "cc0", "u", {"width": [1]})
    ]


def test_source_of_the_run_stands_in(tmp_path: Path) -> None:
    records = read(tmp_path, '{"caption": "a"}\n{"caption": "b", "source": "own"}\n', source="mine")
    assert [record.source for record in records if isinstance(record, Caption)] == ["mine", "own"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{broken", "not JSON"),
        (b'{"text": "a cat"}', "no field 'caption'"),
        (b'{"caption": 3}', "field 'caption' is a number, not text"),
        (b'{"caption": true}', "field 'caption' is true or false, not text"),
        (b'{"caption": null}', "field 'caption' is null, not text"),
        (b'{"caption": "  \\n "}', "empty caption"),
        (b'{"caption": "a", "id": [1]}', "field 'id' is a list, not text or a number"),
        (b'{"caption": "a", "source": {}}', "field 'source' is an object, not text or a number"),
        (b'["a cat"]', "a list, not an object with a field 'caption'"),
        (b'"a cat"', "a text, not an object with a field 'caption'"),
        (b'{"caption": "a \xff"}', "not UTF-8 (byte 16 is 0xff)"),
        (b'{"caption": "a \\ud800"}', "half of a surrogate pair, which is no Unicode text"),
        (b'{"caption": "a", "x": "\\u0000"}', "a NUL character"),
        (b'{"caption": "a", "x": NaN}', "not JSON (NaN is no JSON number)"),
        (b'{"caption": "a", "x": 1e999}', "a number too large to hold"),
        (b'{"caption": "a", "x": ' + b"9" * 5000 + b"}", "not JSON (a number with too many digits)"),
        (b'{"caption": "a", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested too deeply"),
        (b'{"caption": "a", "x": ' + b"[" * 100 + b"]" * 100 + b"}", "nested more than 64 levels deep"),
        (b'{"caption": "' + b"a" * 5000 + b'"}', "caption of 5,000 characters, over the limit of 4,096"),
    ],
)
def test_bad_lines_are_named_and_passed_over(tmp_path: Path, line: bytes, reason: str) -> None:
    records = read(tmp_path, b'{"caption": "one"}\n' + line + b'\n{"caption": "two"}\n')
    assert texts(records) == ["one", "two"]
    [(number, given_reason)] = rejects(records)
    assert number == 2
    assert reason in given_reason


def test_an_escaped_backslash_before_u0000_is_no_nul(tmp_path: Path) -> None:
    records = read(tmp_path, '{"caption": "\\u0061", "path": "c:\\\\u0000"}\n')
    assert texts(records) == ["a"]


def test_bom_crlf_and_blank_lines_at_the_end(tmp_path: Path) -> None:
    records = read(tmp_path, b'\xef\xbb\xbf{"caption": "one"}\r\n\r\n{"caption": "two"}\r\n\r\n  \n\n')
    assert texts(records) == ["one", "two"]
    assert rejects(records) == []
    assert records[-1] == BlankLines(4)


def test_blank_lines_are_no_records_however_many(tmp_path: Path) -> None:
    [only] = read(tmp_path, b"\n \t\r\n" * 150_000)
    assert only == BlankLines(300_000)
    assert read(tmp_path, b"\n" * 200_000 + b"a cat\n") == [Caption("a cat"), BlankLines(200_000)]


def test_a_long_line_is_rejected_without_being_kept(tmp_path: Path) -> None:
    limits = ReaderLimits(record_bytes=30)
    long = json.dumps({"caption": "x" * 200_000})
    records = read(tmp_path, f'{{"caption": "one"}}\n{long}\n{{"caption": "two"}}', limits=limits)
    assert texts(records) == ["one", "two"]
    [reject] = [record for record in records if isinstance(record, Reject)]
    assert reject.reason == "200,015 bytes, over the limit of 30"
    assert len(reject.text) <= 30


def test_plain_lines(tmp_path: Path) -> None:
    records = read(tmp_path, "a cat\n\n  a   dog \r\nun café, 猫\n\n", source="notes")
    assert records == [
        Caption("a cat", source="notes"),
        Caption("a dog", source="notes"),
        Caption("un café, 猫", source="notes"),
        BlankLines(2),
    ]


def test_control_characters_become_blanks(tmp_path: Path) -> None:
    assert texts(read(tmp_path, b"a\x00cat\x1b\tsits\n")) == ["a cat sits"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", CaptionFormat.TEXT),
        (b"a cat\nb {\n", CaptionFormat.TEXT),
        (b'garbage\n{"caption": "a"}\n', CaptionFormat.JSON_LINES),
        (b'{"caption": "a"}\n', CaptionFormat.JSON_LINES),
        (b'{"images": [1], "caption": "a"}\n{"caption": "b"}', CaptionFormat.JSON_LINES),
        (b'{\n{"caption": "a"}\n', CaptionFormat.JSON_LINES),
        (b"[\n", CaptionFormat.JSON),
        (b'{"annotations": [{"caption": "a"}]}', CaptionFormat.JSON),
        (b' \n{\n  "info": {\n', CaptionFormat.JSON),
        (b'{"licenses":[{"url"', CaptionFormat.JSON),
        (b'{"year": 20', CaptionFormat.JSON),
        (b'{"crowd": fals', CaptionFormat.JSON),
        (b'[{"id": 1, "conversations": [', CaptionFormat.JSON),
        (b"image,caption\n1.jpg,A child in a pink dress\n", CaptionFormat.CSV),
        (b"image_name| comment_number| comment\n1.jpg| 0| A child\n", CaptionFormat.CSV),
        (b"url\tcaption\nhttp://a\ta cat\n", CaptionFormat.TSV),
        (b"a cat\thttp://a\na dog\thttp://b\n", CaptionFormat.TSV),
        (b"a cat\twith a tab\na dog\n", CaptionFormat.TEXT),
        (b"a boat, text and a sign\na cat, a dog\n", CaptionFormat.TEXT),
        (b"PAR1\x15\x04", CaptionFormat.PARQUET),
    ],
)
def test_format_is_decided_by_content(head: bytes, expected: CaptionFormat) -> None:
    assert detect_format(head) is expected


def test_missing_file_and_folder_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(CaptionsError, match="does not exist"):
        read_captions(tmp_path / "none.jsonl")
    with pytest.raises(CaptionsError, match="is a folder"):
        read_captions(tmp_path)


@pytest.mark.parametrize("end", ["", "\n"])
def test_estimates(tmp_path: Path, end: str) -> None:
    path = tmp_path / "captions"
    path.write_text("one\ntwo\nthree" + end)
    assert open_captions(path).estimate() == 3
    path.write_text('{"info": {}, "annotations": [{"caption": "a"}, {"caption": "b"}]}' + end)
    assert open_captions(path).estimate() == 2
    path.write_text('[{"sentences": [{"raw": "a"}, {"raw": "b"}]}, {"sentences": [{"raw": "c"}]}]' + end)
    assert open_captions(path).estimate() == 3
    path.write_text("")
    assert open_captions(path).estimate() == 0


@pytest.mark.parametrize("content", ['{"caption": "a"}\n\n{"caption": "b"}\n', "a\n\nb\n"])
def test_standard_input_reads_like_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(content.encode())))
    monkeypatch.setattr(sources.sys, "stdin", stdin)
    assert list(read_captions("-")) == read(tmp_path, content)


def test_a_live_pipe_is_read_as_it_comes() -> None:
    program = (
        "from freeda_ingest.captions.reader import read_captions\n"
        "for c in read_captions('-'): print(c.text, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for text in (b"a cat", b"a dog"):
            process.stdin.write(text + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == text + b"\n"  # before the pipe is closed
        process.stdin.close()
        assert process.wait() == 0


@given(st.binary(max_size=400))
@example(b'{\n{"caption": "a"}\n')
@example(b"\xef\xbb\xbf")
@example(b'{"caption": "a"}\n{\n[]\n\n')
@example(b"a cat\n\xff\xfe\na dog\nthree\n")
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
def test_any_bytes_are_read_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    try:
        records = read(folder, content)
    except CaptionsError:
        return
    if open_captions(folder / "captions").layout.format not in (CaptionFormat.TEXT, CaptionFormat.JSON_LINES):
        return  # what a row or an element is, is not said by line ends
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "surrogatepass").encode("utf-8", "surrogatepass")
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        lines.pop()  # the end of the last line begins no other
    blank = sum(record.count for record in records if isinstance(record, BlankLines))
    assert sum(not isinstance(record, BlankLines) for record in records) + blank == len(lines)
    numbers = [record.line for record in records if isinstance(record, Reject)]
    assert numbers == sorted(set(numbers))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["caption", "id", "source", "x"]), json_values), max_size=6))
def test_any_objects_are_captions_or_rejects(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, object]]
) -> None:
    content = "".join(json.dumps(each) + "\n" for each in [{"caption": "first"}, *objects])
    records = read(tmp_path_factory.mktemp("objects"), content)
    values = [each.get("caption") for each in objects]
    several = [len(value) for value in values if isinstance(value, list)]
    assert 1 + len(objects) <= len(records) <= 1 + len(objects) + sum(several)
    for record in records:
        if isinstance(record, Caption):
            json.dumps(
                [record.text, record.external_id, record.source, record.extra], allow_nan=False
            ).encode()
            record.text.encode()
            assert record.text.strip()


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), min_size=1, max_size=6))
def test_unicode_captions_survive(tmp_path_factory: pytest.TempPathFactory, captions: list[str]) -> None:
    content = "".join(json.dumps({"caption": text}, ensure_ascii=False) + "\n" for text in captions)
    records = read(tmp_path_factory.mktemp("unicode"), content)
    for text, record in zip(captions, records, strict=True):
        if isinstance(record, Caption):
            assert record.text.split() == " ".join(record.text.split()).split()
            assert set(record.text) - {" "} <= set(unicodedata.normalize("NFC", html.unescape(text)))


def test_coco_from_a_pipe_that_cannot_be_read_twice() -> None:
    reading, writing = os.pipe()
    coco = {"annotations": [{"id": 1, "image_id": 7, "caption": "a red car"}], "images": [{"id": 7}]}
    with os.fdopen(writing, "w") as sender:
        sender.write(json.dumps(coco))
    try:
        found = list(read_captions(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
    assert [caption.text for caption in found if isinstance(caption, Caption)] == ["a red car"]


def test_a_plain_line_may_begin_with_a_bracket() -> None:
    assert detect_format(b"[indoor] a red car\na cat on grass\n") is CaptionFormat.TEXT
    assert detect_format(b'[{"caption": "a car"}]') is CaptionFormat.JSON


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "zero"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "captions.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    else:
        path = Path("/dev/null" if kind == "device" else "/dev/zero")
    with pytest.raises(CaptionsError, match=rf"{path} cannot be read \(it is a .*, not a file\); .* or '-'"):
        read_captions(path)


def test_lines_that_are_wrong_again_and_again_are_each_named(tmp_path: Path) -> None:
    records = read(tmp_path, b'{"caption": "one"}\n' + b"{\n[1]\n" * 3000)
    found = rejects(records)
    assert [line for line, _ in found] == list(range(2, 6002))
    assert {reason for _, reason in found[1::2]} == {"a list, not an object with a field 'caption'"}
    assert len({reason for _, reason in found}) == 2
