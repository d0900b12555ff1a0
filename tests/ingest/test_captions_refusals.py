"""What holds no captions, or does not say where they are, is refused before anything is drawn."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freeda_ingest.captions.detection import CaptionFormat
from freeda_ingest.captions.reader import open_captions
from freeda_ingest.errors import CaptionsError


def refused(tmp_path: Path, name: str, content: bytes | str, field: str = "") -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(CaptionsError) as error:
        open_captions(path, field=field)
    assert str(error.value).startswith(f"{path} ") or str(path) in str(error.value)
    return str(error.value)


def picture(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (2, 2)).save(data, kind)
    return data.getvalue()


def archive(kind: str) -> bytes:
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr("captions.txt", "a cat")
    else:
        with tarfile.open(fileobj=data, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("000.txt"), io.BytesIO(b""))
    return data.getvalue()


def numbers() -> bytes:
    data = io.BytesIO()
    np.save(data, np.zeros(4))
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (archive("zip"), "a ZIP archive or an Office document"),
        (archive("tar"), "a tar archive"),
        (gzip.compress(archive("tar")), "a tar archive"),
        (picture("PNG"), "a PNG picture"),
        (picture("JPEG"), "a JPEG picture"),
        (numbers(), "a NumPy array"),
        (pickle.dumps(["a cat"]), "a Python pickle, which is never read"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<!DOCTYPE html>\n<p>a cat</p>", "an XML or HTML page"),
        (b"\x01\x00\x00\x02" * 40, "binary data (it begins with 01 00 00 02"),
    ],
)
def test_other_kinds_of_files_are_named(tmp_path: Path, content: bytes, seen: str) -> None:
    assert seen in refused(tmp_path, "captions", content)


@pytest.mark.parametrize(
    ("text", "encoding", "seen"),
    [
        ("un café près de la fenêtre\n", "latin-1", "cp1252"),
        ("un café\n", "latin-1", "cp1252"),
        ("a man’s “red” car\na dog\n", "cp1252", "cp1252"),
        ("кот на диване и собака\n" * 3, "cp1251", "cp1251"),
        ("кот на диване и собака\n" * 3, "koi8-r", "koi8_r"),
        ("猫が椅子の上にいる。赤い車。\n" * 3, "shift_jis", "cp932"),
        ("红色的汽车在树下\n" * 3, "gb18030", "gb18030"),
        ("a cat on a mat\n", "utf-16-le", "UTF-16LE without a byte order mark"),
        ("a cat on a mat\n", "utf-16-be", "UTF-16BE without a byte order mark"),
        ("a cat on a mat\n", "utf-32", "UTF-32"),
        (json.dumps([{"caption": "un café"}, {"caption": "été"}], ensure_ascii=False), "cp1252", "cp1252"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, text: str, encoding: str, seen: str) -> None:
    told = refused(tmp_path, "captions.txt", text.encode(encoding))
    assert f"is not UTF-8; it seems to be {seen}. Convert it, for example: iconv -f" in told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "a.jsonl",
            '{"file": "1.png", "label": 3}\n',
            "has no field 'caption', but 'file', 'label'; say",
        ),
        (
            "a.jsonl",
            '{"text": "a", "prompt": "b"}\n',
            "fields that may be captions, 'text', 'prompt'",
        ),
        ("a.json", '[{"file": "1.png"}]', "the first element of"),
        ("a.json", '{"categories": [{"name": "cat"}]}', "(JSON) with 'categories' (in 'categories' 'name')"),
        (
            "instances.json",
            '{"info": {}, "annotations": [{"bbox": [1], "area": 2}]}',
            "(in 'annotations' 'bbox', 'area') has no array of objects with a field 'caption'",
        ),
        ("a.json", "{'caption': 'a cat'}", "begins like JSON, but is none (Expecting property name"),
        ("a.json", "[" * 100_000, "begins like JSON, but is none (nested too deeply)"),
        ("a.csv", "path,label\n1.png,cat\n", "(CSV) has no field 'caption', but 'path', 'label'; say which"),
        ("a.tsv", "a bus station\thttp://a\n", "with --field, or its number if that row is no header."),
        (
            "a.txt",
            "a bus station\thttp://a\na dog\thttp://b\n",
            "(TSV) has no field 'caption', but 'a bus",
        ),
        ("a.parquet", b"PAR1 and nothing else PAR1", "(Parquet) that cannot be read"),
        ("a.gz", gzip.compress(b"a cat\n" * 9)[:-12], "cannot be unpacked"),
    ],
)
def test_what_does_not_say_where_its_captions_are(
    tmp_path: Path, name: str, content: bytes | str, told: str
) -> None:
    assert told in refused(tmp_path, name, content)


@pytest.mark.parametrize(
    ("name", "content", "field", "told"),
    [
        (
            "a.jsonl",
            '{"caption": "a"}\n',
            "alt",
            "no field 'alt', but 'caption'; give --field one of",
        ),
        ("a.csv", "id,caption\n1,a\n", "3", "has 2 columns, not 3"),
        ("a.txt", "a cat\n", "alt", "(plain text) has no fields, and 'alt' was asked for"),
    ],
)
def test_a_field_that_is_not_there(tmp_path: Path, name: str, content: str, field: str, told: str) -> None:
    assert told in refused(tmp_path, name, content, field)


def test_a_format_that_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"caption": "a cat"}]')
    with pytest.raises(CaptionsError, match="has no annotations with captions"):
        open_captions(path, format=CaptionFormat.COCO)
    with pytest.raises(CaptionsError, match=r"\(Parquet\) that cannot be read"):
        open_captions(path, format=CaptionFormat.PARQUET)


def test_one_bad_record_is_its_own_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"caption": "a cat"}\n' * 5 + b'{"caption": "caf\xe9"}\n')
    assert open_captions(path).layout.format is CaptionFormat.JSON_LINES


def test_a_character_cut_by_the_look_at_a_file_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * ((1 << 16) - 1) + "é".encode() * 10)
    assert open_captions(path).layout.format is CaptionFormat.TEXT


def test_a_folder_without_metadata(tmp_path: Path) -> None:
    with pytest.raises(CaptionsError, match=r"is a folder without metadata\.jsonl, metadata\.csv or"):
        open_captions(tmp_path)
