"""What is sent for long work: it stays in its folder, has limits, and is looked at before it is taken."""

from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from freeda_errors import FreedaError
from freeda_learn.errors import LabelsError
from freeda_studio.errors import RequestError, TooLargeError
from freeda_studio.work import uploads
from freeda_studio.work.documents import LearningTask
from freeda_studio.work.inputs import CaptionsWanted, ConceptsWanted, LearningWanted, find_labels
from freeda_studio.work.uploads import Intake, Upload


def picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, format="PNG")
    return buffer.getvalue()


def packed(members: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> BytesIO:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    buffer.seek(0)
    return buffer


def sent(name: str, data: bytes | BytesIO) -> Upload:
    return Upload(name, data if isinstance(data, BytesIO) else BytesIO(data))


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def take(folder: Path, *files: Upload, most_bytes: int = 100_000) -> list[str]:
    inside = folder / "inside"
    inside.mkdir()
    Intake(most_bytes).take(files, inside)
    return files_of(inside)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.png",
        "a/../../evil.png",
        "/etc/evil.png",
        "..\\evil.png",
        "C:\\evil.png",
        "\\\\host\\evil.png",
        "..",
        "a/..",
        ".",
        "a\nb.png",
        "\x1b[2J.png",
        "x" * 300 + ".png",
        "/".join(["deep"] * 40) + "/x.png",
    ],
)
@pytest.mark.parametrize("packing", ["file", "member"])
def test_hostile_names_are_refused_and_leave_nothing(tmp_path: Path, name: str, packing: str) -> None:
    file = sent(name, b"evil") if packing == "file" else sent("a.zip", packed({name: b"evil"}))
    with pytest.raises(RequestError):
        take(tmp_path, file)
    assert files_of(tmp_path) == []


def test_a_member_that_is_a_link_or_encrypted_or_packed_in_a_rare_way_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(RequestError, match="link"):
        take(tmp_path, sent("a.zip", buffer))
    with pytest.raises(RequestError, match="plain ZIP"):
        Intake(1000).take([sent("a.zip", packed({"a.png": b"x"}, zipfile.ZIP_LZMA))], tmp_path)
    data = bytearray(packed({"a.png": b"x"}).getvalue())
    at = data.index(b"PK\1\2")
    data[at + 8] |= 1
    with pytest.raises(RequestError, match="plain ZIP"):
        Intake(1000).take([sent("a.zip", bytes(data))], tmp_path)
    assert files_of(tmp_path) == []


def test_a_bomb_is_refused_by_what_it_says_and_by_what_comes_out(tmp_path: Path) -> None:
    bomb = packed({f"{number}.txt": bytes(10_000) for number in range(20)})
    assert len(bomb.getvalue()) < 10_000
    with pytest.raises(TooLargeError, match="MiB unpacked"):
        take(tmp_path, sent("bomb.zip", bomb))
    assert files_of(tmp_path) == []
    lying = bytearray(packed({"a.txt": bytes(50_000)}).getvalue())
    at = lying.index(b"PK\1\2")
    lying[at + 24 : at + 28] = struct.pack("<I", 10)
    with pytest.raises(RequestError, match="damaged"):
        Intake(1000).take([sent("lying.zip", bytes(lying))], tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 1000


def test_files_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MOST_FILES", 3)
    members = {f"{number}.txt": b"x" for number in range(4)}
    with pytest.raises(TooLargeError, match="more than 3 files"):
        Intake(1000).take([sent("a.zip", packed(members))], tmp_path)
    with pytest.raises(TooLargeError, match="more than 3 files"):
        Intake(1000).take([sent(name, data) for name, data in members.items()], tmp_path)


def test_limits_hold_for_all_that_is_sent_together(tmp_path: Path) -> None:
    with pytest.raises(TooLargeError):
        take(tmp_path, sent("a.bin", bytes(600)), sent("b.bin", bytes(600)), most_bytes=1000)


@pytest.mark.parametrize("data", [b"", b"PK\3\4 and no more", b"no archive at all", bytes(1000)])
def test_what_is_no_archive_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(RequestError, match="no ZIP file, or a damaged one"):
        take(tmp_path, sent("a.zip", data))


def test_a_name_twice_is_refused_and_what_systems_leave_in_folders_is_left_out(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="comes twice"):
        take(tmp_path, sent("a.png", b"x"), sent("a.png", b"y"))
    with pytest.raises(RequestError, match="comes twice"):
        Intake(1000).take([sent("b", b"x"), sent("b/c", b"y")], tmp_path)
    left = Intake(1000)
    left.take(
        [sent("d/.DS_Store", b"x"), sent("e.zip", packed({"__MACOSX/f.png": b"x", "g.txt": b"y"}))], tmp_path
    )
    assert files_of(tmp_path) == ["b", "g.txt", "inside/a.png"]


def test_names_of_folders_are_kept_as_they_are(tmp_path: Path) -> None:
    assert take(tmp_path, sent("birds/blue tit & co.png", b"x"), sent("птица\\1.png", b"x")) == [
        "birds/blue tit & co.png",
        "птица/1.png",
    ]


def prepared(folder: Path, *files: Upload, labels: tuple[Upload, ...] = ()) -> LearningTask:
    folder.mkdir(exist_ok=True)
    task = LearningWanted(files, labels).prepare(folder, Intake(1_000_000)).task
    assert isinstance(task, LearningTask)
    return task


COCO = b'{"images": [], "annotations": [], "categories": []}'


def test_labels_are_found_where_exports_have_them(tmp_path: Path) -> None:
    png = picture()
    folders = packed({"forklift/1.png": png, "pallet/2.png": png})
    task = prepared(tmp_path / "folders", sent("classes.zip", folders))
    assert (task.pictures, task.labels) == ("pictures", "pictures")
    single = prepared(tmp_path / "single", sent("forklift/1.png", png))
    assert (single.pictures, single.labels) == ("pictures", "pictures")
    coco = packed({"export/images/1.png": png, "export/annotations/instances.json": COCO})
    task = prepared(tmp_path / "coco", sent("export.zip", coco))
    assert (task.pictures, task.labels) == ("pictures/export", "pictures/export/annotations/instances.json")
    apart = prepared(tmp_path / "apart", sent("1.png", png), labels=(sent("labels.json", COCO),))
    assert (apart.pictures, apart.labels) == ("pictures", "labels/labels.json")
    yolo = packed(
        {"set/images/1.png": png, "set/labels/1.txt": b"0 0 0 1 0 1 1", "set/data.yaml": b"names: [car]"}
    )
    task = prepared(tmp_path / "yolo", sent("set.zip", yolo))
    assert (task.pictures, task.labels) == ("pictures/set/images", "pictures/set/labels")


def test_what_cannot_be_learned_from_is_said_at_once_without_folders_of_the_server(
    tmp_path: Path,
) -> None:
    cases = [
        ((), ()),
        ((sent("notes.txt", b"x"),), ()),
        ((sent("1.png", picture()),), ()),
        ((sent("1.png", picture()),), (sent("labels.json", b"{}"),)),
        ((sent("1.png", picture()), sent("1.txt", b"0 0 0")), ()),
    ]
    for number, (files, labels) in enumerate(cases):
        folder = tmp_path / str(number)
        with pytest.raises(RequestError) as error:
            prepared(folder, *files, labels=labels)
        assert str(tmp_path) not in str(error.value)


def test_several_files_of_labels_without_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(LabelsError, match="no picture"):
        find_labels(tmp_path, None)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("photo.png", picture()),
        ("empty.txt", b""),
        ("a.jsonl", b'{"width": 3}\n'),
        ("a.parquet", b"PAR1 broken"),
    ],
)
def test_a_captions_file_that_is_none_is_refused_at_once(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(RequestError) as error:
        CaptionsWanted([sent(name, data)]).prepare(tmp_path, Intake(1_000_000))
    assert str(tmp_path) not in str(error.value)


def test_names_of_captions_files_are_made_safe(tmp_path: Path) -> None:
    for number, name in enumerate(["../../evil.txt", "-", "a\x00b.txt", "", "C:\\captions.txt"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        CaptionsWanted([sent(name, b"a red car\n")]).prepare(folder, Intake(1000))
        assert len(files_of(folder)) == 1
    assert len(files_of(tmp_path)) == 5


def test_one_captions_file_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="2 were sent"):
        CaptionsWanted([sent("a.txt", b"a car"), sent("b.txt", b"a car")]).prepare(tmp_path, Intake(1000))
    with pytest.raises(TooLargeError):
        CaptionsWanted([sent("a.txt", b"a car\n" * 1000)]).prepare(tmp_path, Intake(1000))


@pytest.mark.parametrize("names", [(), ("<script>",), ("a|b",), tuple(f"thing{n}" for n in range(300))])
def test_names_that_are_no_concepts_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(FreedaError):
        ConceptsWanted(names, 3).prepare(tmp_path, Intake(1000))
