"""Formats of a whole run, read back by the tools that they are for."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools.coco import COCO

from freeda_segment.outputs import read_labels
from freeda_segment.outputs.instances import find_instances
from freeda_segment.outputs.labels import write_label_map
from freeda_segment.outputs.runs import RUN_FORMATS, Run, RunOptions, RunPicture, write_run
from freeda_segment.outputs.runs.label_studio import brush_rle
from freeda_store.errors import OverwriteError
from freeda_store.files.own_files import is_marked

NAMES = ("red car", "tree & bush", "sky: blue")
PROVENANCE = {
    "bank": {"address": "team", "revision": 3, "committed_at": "2026-01-01T10:19:02Z"},
    "models": {},
    "settings": {},
}
Labels = NDArray[np.int16]


def scene(seed: int, height: int = 60, width: int = 90) -> Labels:
    """A disk with a hole, a bar and a strip of sky, all else of no class."""
    labels = np.full((height, width), -1, np.int16)
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot(rows - 30, columns - 30 - seed)
    labels[:12] = 2
    labels[(distance < 16) & (distance > 6)] = 0
    labels[40:55, 60:85] = 1
    labels[57, 2] = 1  # too small to be an object
    return labels


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two pictures, one in a folder of its own, with names that need care."""
    pictures = []
    for number, place in enumerate(("photos/a b.jpg", "photos/dée p/ünder.png")):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        labels = scene(number)
        Image.new("RGB", labels.shape[::-1], "white").save(path)
        label_map = tmp_path / "out" / f"{path.stem}.labels.png"
        label_map.parent.mkdir(exist_ok=True)
        write_label_map(label_map, labels, NAMES, label_offset=number)
        scores = (0.7, 0.6, None)
        pictures.append(RunPicture(path, path.stem, label_map, 90, 60, f"{number:064}", scores))
    return Run(pictures, NAMES, PROVENANCE)


def write(run: Run, name: str, out: Path) -> Path:
    (written,) = write_run(out, run, [name])
    return written.path


def overlap(mask: NDArray[Any], other: NDArray[Any]) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def semantic(detections: supervision.Detections, shape: tuple[int, int]) -> Labels:
    """The label map of what supervision read."""
    labels = np.full(shape, -1, np.int16)
    assert detections.mask is not None
    assert detections.class_id is not None
    for mask, index in zip(detections.mask, detections.class_id, strict=True):
        labels[mask] = index
    return labels


def assert_alike(labels: Labels, number: int) -> None:
    """Polygons are about as the label map, and the speck is gone: some tools count what a border touches."""
    expected = scene(number)
    expected[57, 2] = -1
    for index in range(-1, len(NAMES)):
        assert overlap(labels == index, expected == index) > 0.85, index


def test_coco_is_read_by_pycocotools(run: Run, tmp_path: Path) -> None:
    path = write(run, "coco", tmp_path / "out")
    coco = COCO(str(path))
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == list(NAMES)
    images = coco.loadImgs(coco.getImgIds())
    assert [each["file_name"] for each in images] == ["a b.jpg", "dée p/ünder.png"]
    assert len({each["id"] for each in coco.loadAnns(coco.getAnnIds())}) == 6
    for number, image in enumerate(images):
        labels = np.full((60, 90), -1, np.int16)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            mask = coco.annToMask(annotation).astype(bool)
            labels[mask] = annotation["category_id"] - 1
            exact = scene(number) == annotation["category_id"] - 1
            exact[57, 2] = False
            assert annotation["area"] == exact.sum()
            assert overlap(mask, exact) > 0.95
            left, top, width, height = annotation["bbox"]
            rows, columns = np.nonzero(exact)
            assert (left, top) == (columns.min(), rows.min())
            assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)
            assert annotation["score"] == (0.7, 0.6, None)[annotation["category_id"] - 1]
        assert_alike(labels, number)
    document = json.loads(path.read_text())
    assert {"info", "licenses", "images", "categories", "annotations"} <= set(document)
    assert is_marked(path)


def test_coco_is_read_by_supervision(run: Run, tmp_path: Path) -> None:
    path = write(run, "coco", tmp_path / "out")
    found = supervision.DetectionDataset.from_coco(str(run.root), str(path), force_masks=True)
    assert found.classes == list(NAMES)
    assert len(found) == 2
    for number, (name, _, detections) in enumerate(found):
        assert Path(name).is_file()
        assert_alike(semantic(detections, (60, 90)), number)


def test_panoptic_has_the_exact_regions(run: Run, tmp_path: Path) -> None:
    path = write(run, "coco-panoptic", tmp_path / "out")
    document = json.loads(path.read_text())
    assert [each["isthing"] for each in document["categories"]] == [0, 0, 0]
    for number, annotation in enumerate(document["annotations"]):
        rgb = np.asarray(Image.open(path.parent / "panoptic" / annotation["file_name"])).astype(np.int64)
        numbers = rgb @ [1, 256, 65536]
        np.testing.assert_array_equal(numbers - 1, scene(number))
        assert document["images"][number]["id"] == annotation["image_id"]
        for segment in annotation["segments_info"]:
            left, top, width, height = segment["bbox"]
            mask = numbers == segment["id"]
            assert segment["area"] == mask.sum() == mask[top : top + height, left : left + width].sum()
            assert mask[top].any()
            assert mask[:, left + width - 1].any()


def test_many_classes_fit_into_panoptic_numbers(run: Run, tmp_path: Path) -> None:
    names = tuple(f"class {index}" for index in range(700))
    labels = scene(0)
    labels[0, :5] = 699
    write_label_map(run.pictures[0].label_map, labels, names)
    scores = (None,) * 700
    many = replace(run, names=names, pictures=[replace(run.pictures[0], scores=scores)])
    path = write(many, "coco-panoptic", tmp_path / "out")
    rgb = np.asarray(Image.open(path.parent / "panoptic" / "a b.png")).astype(np.int64)
    np.testing.assert_array_equal(rgb @ [1, 256, 65536] - 1, labels)


def test_yolo_is_read_by_supervision(run: Run, tmp_path: Path) -> None:
    path = write(run, "yolo", tmp_path / "out")
    folders = str(path.parent / "images"), str(path.parent / "labels")
    found = supervision.DetectionDataset.from_yolo(*folders, str(path), force_masks=True)
    assert found.classes == list(NAMES)
    read = {Path(name).stem: semantic(detections, (60, 90)) for name, _, detections in found}
    for number, picture in enumerate(run.pictures):
        assert_alike(read[picture.stem], number)
    link = path.parent / "images" / "a b.jpg"
    assert link.is_symlink()
    assert not os.readlink(link).startswith("/")  # noqa: PTH115 - the text of the link
    assert link.resolve() == run.pictures[0].path.resolve()


def test_labelme_is_read_by_supervision_and_finds_its_picture(run: Run, tmp_path: Path) -> None:
    folder = write(run, "labelme", tmp_path / "out")
    for number, picture in enumerate(run.pictures):
        path = folder / f"{picture.stem}.json"
        document = json.loads(path.read_text())
        assert (folder / document["imagePath"]).resolve() == picture.path.resolve()
        assert {each["label"] for each in document["shapes"]} == set(NAMES)
        drawn = Image.new("I", (90, 60), -1)
        for shape in sorted(document["shapes"], key=lambda each: each["label"] != "sky: blue"):
            points = [tuple(point) for point in shape["points"]]
            ImageDraw.Draw(drawn).polygon(points, fill=NAMES.index(shape["label"]))
        labels = np.asarray(drawn).astype(np.int16)
        for index in (1, 2):
            assert overlap(labels == index, scene(number) == index) > 0.85
        (tmp_path / "flat").mkdir(exist_ok=True)
        shutil.copy(picture.path, tmp_path / "flat")
        shutil.copy(path, tmp_path / "flat")
        flat = json.loads(path.read_text()) | {"imagePath": picture.path.name}
        (tmp_path / "flat" / path.name).write_text(json.dumps(flat))
    read = supervision.DetectionDataset.from_labelme(
        str(tmp_path / "flat"), str(tmp_path / "flat"), force_masks=True
    )
    assert set(read.classes) == set(NAMES)
    order = [NAMES.index(name) for name in read.classes]
    for name, _, detections in read:
        labels = semantic(detections, (60, 90))
        assert_alike(np.array([*order, -1], np.int16)[labels], int(Path(name).suffix == ".png"))


def unpacked(rle: list[int]) -> NDArray[np.uint8]:
    """thi.ng's rle-pack, read bit by bit as its description says."""
    bits = "".join(f"{byte:08b}" for byte in rle)
    place = 0

    def take(width: int) -> int:
        nonlocal place
        place += width
        return int(bits[place - width : place], 2)

    total, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeated = take(1)
        count = take(sizes[take(2)]) + 1
        values += [take(word)] * count if repeated else [take(word) for _ in range(count)]
    return np.array(values, np.uint8)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 0.02, 0.5, 1]))
def test_brush_masks_are_packed_without_loss(seed: int, height: int, width: int, share: float) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    np.testing.assert_array_equal(unpacked(brush_rle(mask)), np.repeat(np.where(mask, 255, 0).ravel(), 4))


def test_long_runs_of_a_brush_mask_are_packed_in_pieces() -> None:
    mask = np.zeros((300, 400), np.bool_)
    mask[150:] = True
    np.testing.assert_array_equal(unpacked(brush_rle(mask)), np.repeat(np.where(mask, 255, 0).ravel(), 4))


def test_label_studio_tasks(run: Run, tmp_path: Path) -> None:
    tasks = json.loads(write(run, "label-studio", tmp_path / "out").read_text())
    assert [each["data"]["image"] for each in tasks] == [
        "/data/local-files/?d=a%20b.jpg",
        "/data/local-files/?d=d%C3%A9e%20p/%C3%BCnder.png",
    ]
    for number, task in enumerate(tasks):
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "freeda team@3"
        labels = np.full((60, 90), -1, np.int16)
        for region in prediction["result"]:
            assert (region["original_width"], region["original_height"]) == (90, 60)
            mask = unpacked(region["value"]["rle"]).reshape(60, 90, 4)[:, :, 3] > 0
            labels[mask] = NAMES.index(region["value"]["brushlabels"][0])
        np.testing.assert_array_equal(labels, scene(number))
    interface = (tmp_path / "out/label-studio/interface.xml").read_text()
    assert 'value="tree &amp; bush"' in interface
    tasks = json.loads(write(run, "label-studio-polygons", tmp_path / "out").read_text())
    (result,) = (each["result"] for each in tasks[0]["predictions"])
    assert [each["value"]["polygonlabels"] for each in result] == [
        ["sky: blue"],
        ["red car"],
        ["tree & bush"],
    ]
    points = np.array(result[2]["value"]["points"]) * [0.9, 0.6]
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[60, 40], [85, 55]], atol=0.01)


def test_mmseg_has_label_maps_from_zero_beside_the_pictures(run: Run, tmp_path: Path) -> None:
    folder = write(run, "mmseg", tmp_path / "out")
    meta = json.loads((folder / "metainfo.json").read_text())
    assert meta["classes"] == list(NAMES)
    assert len(meta["palette"]) == len(NAMES)
    for number, picture in enumerate(run.pictures):
        labels = np.asarray(Image.open(folder / "ann_dir" / f"{picture.stem}.png")).astype(np.int16)
        np.testing.assert_array_equal(np.where(labels == 255, -1, labels), scene(number))
        assert (folder / "img_dir" / picture.path.name).resolve() == picture.path.resolve()


@pytest.mark.parametrize("count", [3, 254, 255, 256])
def test_label_maps_may_begin_at_one(tmp_path: Path, count: int) -> None:
    labels = scene(0)
    labels[0, :7] = count - 1
    write_label_map(tmp_path / "a.png", labels, [str(index) for index in range(count)], label_offset=1)
    raw = np.asarray(Image.open(tmp_path / "a.png")).astype(np.int64)
    none = 255 if count <= 254 else 65535
    np.testing.assert_array_equal(raw, np.where(labels < 0, none, labels.astype(np.int64) + 1))
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png").labels, labels)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 12))
def test_instances_of_any_label_map_cover_it(seed: int, height: int, width: int) -> None:
    labels = np.random.default_rng(seed).integers(-1, 2, (height, width)).astype(np.int16)
    found = list(find_instances(labels, min_area=0))
    for index in range(2):
        assert sum(each.area for each in found if each.label == index) == (labels == index).sum()
    for each in found:
        exact = each.polygon(tolerance=0)
        x, y = exact.T
        enclosed = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
        assert round(enclosed) == each.area, "cuts to holes enclose nothing"
        left, top, wide, high = each.box_xywh
        assert (labels[top : top + high, left : left + wide] == each.label).sum() >= each.area


@pytest.mark.parametrize("name", RUN_FORMATS)
def test_a_run_that_is_there_is_kept_and_one_cut_short_is_finished(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    out = tmp_path / "out"
    read = RunPicture.labels

    def killed(self: RunPicture) -> Labels:
        if self is run.pictures[1]:
            raise KeyboardInterrupt
        return read(self)

    with monkeypatch.context() as patch:
        patch.setattr(RunPicture, "labels", killed)
        with pytest.raises(KeyboardInterrupt):
            list(write_run(out, run, [name]))
    assert not list((out / name).rglob("*.part"))
    (first,) = write_run(out, run, [name])
    assert first.fresh
    files = {path: path.read_bytes() for path in (out / name).rglob("*") if path.is_file()}
    (again,) = write_run(out, run, [name])
    assert not again.fresh
    fewer = replace(run, pictures=run.pictures[:1])
    (smaller,) = write_run(out, fewer, [name])
    assert smaller.fresh
    left = {path for path in (out / name).rglob("*") if path.is_file()}
    assert not [path for path in left if "ünder" in path.name]
    assert [each.fresh for each in write_run(out, run, [name])] == [True]
    assert {path: path.read_bytes() for path in (out / name).rglob("*") if path.is_file()} == files
    assert [each.fresh for each in write_run(out, replace(run, options=RunOptions(0.9)), [name])] == [True]


def test_files_of_others_stay(run: Run, tmp_path: Path) -> None:
    mine = tmp_path / "out/yolo/labels/a b.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OverwriteError, match=r"a b\.txt exists and was not written by freeda"):
        list(write_run(tmp_path / "out", run, ["yolo"]))
    assert mine.read_text() == "mine"
    assert not (tmp_path / "out/yolo/freeda.json").exists()
    list(write_run(tmp_path / "out", run, ["yolo"], force=True))
    assert mine.read_text() != "mine"
    (tmp_path / "out/yolo/notes.txt").write_text("mine too")
    list(write_run(tmp_path / "out", replace(run, pictures=run.pictures[1:]), ["yolo"]))
    assert (tmp_path / "out/yolo/notes.txt").exists()


def test_a_list_that_names_files_elsewhere_removes_nothing(run: Run, tmp_path: Path) -> None:
    folder = write(run, "labelme", tmp_path / "out")
    outside = tmp_path / "precious.txt"
    outside.write_text("precious")
    listed = json.loads((folder / "freeda.json").read_text())
    listed["files"] += ["../../precious.txt", str(outside)]
    (folder / "freeda.json").write_text(json.dumps(listed))
    list(write_run(tmp_path / "out", replace(run, pictures=run.pictures[:1]), ["labelme"]))
    assert outside.read_text() == "precious"


def test_a_link_in_the_place_of_a_picture_is_replaced_and_not_followed(run: Run, tmp_path: Path) -> None:
    folder = write(run, "yolo", tmp_path / "out").parent
    before = run.pictures[0].path.read_bytes()
    link = folder / "images" / "a b.jpg"
    link.unlink()
    link.symlink_to(run.pictures[1].path)
    list(write_run(tmp_path / "out", replace(run, options=RunOptions(0.001)), ["yolo"]))
    assert link.resolve() == run.pictures[0].path.resolve()
    assert run.pictures[0].path.read_bytes() == before
