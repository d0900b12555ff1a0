"""What the studio sends as files is what the command line writes."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_segment.outputs import FORMATS, read_labels
from freeda_segment.outputs.runs import RUN_FORMATS
from freeda_studio.app import make_app
from freeda_studio.downloads import LABELS_OF_FORMATS, attachment
from freeda_studio.engine import classes_of
from freeda_studio.routes.downloads import router
from freeda_studio.studio import Studio

CLASSES = ["car", "tree|bush"]


@pytest.fixture(autouse=True)
def _empty_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is downloaded, nothing stays in the temporary folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert not list(folder.iterdir())


@pytest.fixture
def shown(studio: Studio, pictures: list[Path]) -> list[str]:
    """Ids of the pictures, which were dropped."""
    return [studio.engine.shelf.add(path.name, path.read_bytes()).id for path in pictures]


def fetch(client: TestClient, path: str, format_: str) -> Any:
    answer = client.post(path, data={"classes": CLASSES, "format": format_})
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer


def test_every_format_of_the_command_line_is_offered(client: TestClient) -> None:
    offered = client.get("/api/v1/formats").json()
    assert [each["name"] for each in offered] == [*FORMATS, *RUN_FORMATS]
    assert {each["name"] for each in offered if each["of_run"]} == set(RUN_FORMATS)
    assert all(each["label"] for each in offered)
    assert set(LABELS_OF_FORMATS) == {*FORMATS, *RUN_FORMATS}
    assert len(set(LABELS_OF_FORMATS.values())) == len(LABELS_OF_FORMATS)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_picture_comes_in_every_format(client: TestClient, shown: list[str], format_: str) -> None:
    answer = fetch(client, f"/api/v1/pictures/{shown[0]}/download", format_)
    name = f"blue{FORMATS[format_].suffix}"
    assert answer.headers["content-disposition"] == attachment(name)
    assert answer.content
    if answer.headers["content-type"].startswith("image/"):
        Image.open(io.BytesIO(answer.content)).load()
    elif "json" in answer.headers["content-type"]:
        assert json.loads(answer.content)


def test_a_label_map_is_what_the_studio_shows(
    client: TestClient, studio: Studio, shown: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "labels.png"
    path.write_bytes(fetch(client, f"/api/v1/pictures/{shown[0]}/download", "png").content)
    found = read_labels(path)
    assert found.class_names == ("car", "tree")
    assert np.array_equal(found.labels, studio.engine.segment(shown[0], classes_of(CLASSES)).labels)


@pytest.mark.parametrize("format_", ["report", "rle", "geojson"])
def test_no_path_of_the_server_is_told(
    client: TestClient, shown: list[str], format_: str, tmp_path: Path
) -> None:
    text = fetch(client, f"/api/v1/pictures/{shown[0]}/download", format_).text
    assert "blue.png" in text
    assert str(tmp_path / "state") not in text


@pytest.mark.parametrize("format_", RUN_FORMATS)
def test_formats_of_a_run_come_whole(
    client: TestClient, shown: list[str], format_: str, tmp_path: Path
) -> None:
    answer = fetch(client, "/api/v1/download", format_)
    assert answer.headers["content-disposition"] == attachment(f"freeda-{format_}.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        texts = [archive.read(name) for name in names if not name.endswith(".png")]
    assert all(name.startswith((f"{format_}/", "pictures/")) for name in names)
    folder = {"yolo": "yolo/images", "mmseg": "mmseg/img_dir"}.get(format_, "pictures")
    assert f"{folder}/blue.png" in names
    for private in (tmp_path / "state", tmp_path / "temporary"):
        assert not any(str(private).encode() in text for text in texts)
    first = RUN_FORMATS[format_].first
    assert not first or f"{format_}/{first}" in names


def test_coco_of_all_pictures_loads_beside_its_pictures(
    client: TestClient, shown: list[str], studio: Studio, tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(fetch(client, "/api/v1/download", "coco").content)) as archive:
        archive.extractall(tmp_path / "unpacked")
    coco = COCO(str(tmp_path / "unpacked" / "coco" / "annotations.json"))
    assert coco.dataset["freeda"]["images"] == "pictures"
    for id_, image in zip(shown, coco.loadImgs(coco.getImgIds()), strict=True):
        assert (tmp_path / "unpacked" / "pictures" / image["file_name"]).is_file()
        labels = studio.engine.segment(id_, classes_of(CLASSES)).labels
        area = sum(each["area"] for each in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])))
        assert area == (labels >= 0).sum()


def test_a_run_of_one_picture_is_named_after_it(client: TestClient, shown: list[str]) -> None:
    answer = fetch(client, f"/api/v1/pictures/{shown[1]}/download", "yolo")
    assert answer.headers["content-disposition"] == attachment("green-yolo.zip")


def test_pictures_of_one_name_are_all_there(client: TestClient, studio: Studio, pictures: list[Path]) -> None:
    for path in pictures:
        studio.engine.shelf.add("car.png", path.read_bytes())
    studio.engine.shelf.add("car.bmp", as_bmp(pictures[0]))
    for format_, own in (("png", ".labels.png"), ("labelme", ".json")):
        content = fetch(client, "/api/v1/download", format_).content
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.endswith(own)]
        assert len(set(map(str.casefold, names))) == 3, names


def as_bmp(path: Path) -> bytes:
    buffer = io.BytesIO()
    Image.open(path).save(buffer, format="BMP")
    return buffer.getvalue()


def test_a_broken_picture_is_told_of_and_the_others_come(
    client: TestClient, studio: Studio, shown: list[str], tmp_path: Path
) -> None:
    studio.engine.shelf.find(shown[0]).path.write_bytes(b"no picture")
    content = fetch(client, "/api/v1/download", "png").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["green.labels.png", "failed.txt"]
        told = archive.read("failed.txt").decode()
    assert told.startswith("blue.png ")
    assert str(tmp_path) not in told
    studio.engine.shelf.find(shown[1]).path.write_bytes(b"no picture")
    studio.engine.forget(shown[1])
    answer = client.post("/api/v1/download", data={"classes": CLASSES, "format": "png"})
    assert answer.status_code == 422
    assert "blue.png" in answer.json()["error"]


def test_programs_may_ask_in_json(client: TestClient, shown: list[str]) -> None:
    asked = {"classes": CLASSES, "format": "overlay"}
    answer = client.post(f"/api/v1/pictures/{shown[0]}/download", json=asked)
    assert answer.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"data": {"classes": CLASSES, "format": "exe"}}, "unknown output format 'exe'"),
        ({"data": {"format": "png"}}, "no class was given"),
        ({"data": {"classes": CLASSES}}, "format"),
        ({"json": {"classes": CLASSES, "format": "png", "out": "/tmp"}}, "out"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "JSON"),
        ({"data": {"classes": ["x"] * 3000, "format": "png"}}, "fields"),
    ],
)
def test_what_cannot_be_written_is_refused(
    client: TestClient, shown: list[str], sent: dict[str, Any], told: str
) -> None:
    for path in (f"/api/v1/pictures/{shown[0]}/download", "/api/v1/download"):
        answer = client.post(path, **sent)
        assert answer.status_code in (400, 422)
        assert told in answer.json()["error"]


def test_2000_classes_fit_into_a_form(client: TestClient, shown: list[str]) -> None:
    names = [f"car {number}" for number in range(1500)]
    answer = client.post(f"/api/v1/pictures/{shown[0]}/download", data={"classes": names, "format": "png"})
    assert answer.status_code == 200


def test_nothing_to_download_is_told(client: TestClient) -> None:
    answer = client.post("/api/v1/download", data={"classes": CLASSES, "format": "png"})
    assert answer.status_code == 422
    assert "no pictures yet" in answer.json()["error"]


def test_a_bank_that_changes_meanwhile_is_told(
    client: TestClient, studio: Studio, shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = studio.engine.segment

    def then_change(picture: str, *rest: Any) -> Any:
        made = segment(picture, *rest)
        if picture == shown[0]:
            studio.corrector.roll_back(1)
        return made

    monkeypatch.setattr(studio.engine, "segment", then_change)
    answer = client.post("/api/v1/download", data={"classes": CLASSES, "format": "coco"})
    assert answer.status_code == 409
    assert "download them again" in answer.json()["error"]


@pytest.mark.parametrize(
    ("name", "plain", "coded"),
    [
        ("car.png", "car.png", "car.png"),
        ("été 1.png", "_t_ 1.png", "%C3%A9t%C3%A9%201.png"),
        ('a"b\\c.png', "a_b_c.png", "a%22b%5Cc.png"),
        ("a\r\nX: y", "a__X: y", "a%0D%0AX%3A%20y"),
        ("\udcff.png", "_.png", "%3F.png"),
    ],
)
def test_names_of_files_break_no_header(name: str, plain: str, coded: str) -> None:
    assert attachment(name) == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"


def test_nothing_is_written_beside_a_persons_pictures(bank: Path, pictures: list[Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in pictures[0].parent.iterdir()}
    with opened_studio(bank, *pictures) as studio:
        client = TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})
        for format_ in ("overlay", "labelme", "yolo"):
            fetch(client, "/api/v1/download", format_)
    assert {path: path.stat().st_mtime_ns for path in pictures[0].parent.iterdir()} == before


def test_the_page_has_forms_for_both(client: TestClient) -> None:
    page = client.get("/").text
    assert 'formaction="/api/v1/download"' in page
    assert "/api/v1/download" in [route.path for route in router.routes]  # type: ignore[attr-defined]
