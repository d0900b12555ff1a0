"""Every format of labels says the same of the same pictures, and what is wrong in one is named alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from label_makers import FORMATS, Labelled, coco_polygons, pack_brush, square, write_pictures
from learn_fakes import SIZE_HW, make_learner
from PIL import Image

from freeda_learn.errors import LabelsError
from freeda_learn.examples import Example, Rejected
from freeda_learn.labels.coco import _unpacked
from freeda_learn.labels.common import examples_of, polygon_mask
from freeda_learn.labels.label_studio import decode_brush
from freeda_learn.labels.reading import open_labels
from freeda_store.files.picture_kinds import PICTURE_SUFFIXES


def read(labelled: Labelled) -> tuple[list[Example], list[Rejected]]:
    found = list(examples_of(open_labels(labelled.pictures, labelled.labels, labelled.classes)))
    return [each for each in found if isinstance(each, Example)], [
        each for each in found if isinstance(each, Rejected)
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_formats_say_the_same(name: str, tmp_path: Path) -> None:
    labelled = FORMATS[name](tmp_path)
    examples, rejected = read(labelled)
    assert not rejected
    assert [(each.name, each.picture) for each in examples] == [
        ("box", labelled.pictures / "a.png"),
        ("box", labelled.pictures / "b.png"),
    ]
    for each in examples:
        mask = each.marks.mask_hw
        assert mask is not None
        assert (mask & square()).sum() / (mask | square()).sum() > 0.9  # a polygon may own its border
    if name == "coco_polygons":
        assert (examples[0].annotation, examples[0].license, examples[0].url) == (
            "70",
            "CC0",
            "https://x.org/a.png",
        )


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_picture_that_can_be_read_is_found(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / f"one{suffix}").write_bytes(b"looked at by its name alone")
    assert [each.name for each in read(Labelled(tmp_path, tmp_path))[0]] == ["box"]


def test_labels_are_learned(tmp_path: Path) -> None:
    labelled = coco_polygons(tmp_path)
    with make_learner(tmp_path / "bank") as learner:
        report = learner.learn(examples_of(open_labels(labelled.pictures, labelled.labels)))
        assert report.learned == {"box": 2}
        again = learner.learn(examples_of(open_labels(labelled.pictures, labelled.labels)))
        assert (again.done_before, again.revision) == (2, None)


def test_a_folder_a_class(tmp_path: Path) -> None:
    for name in ("red box", "lawn"):
        write_pictures(tmp_path / "pictures" / name)
    examples, rejected = read(Labelled(tmp_path / "pictures", tmp_path / "pictures"))
    assert not rejected
    assert [each.name for each in examples] == ["lawn", "lawn", "red box", "red box"]
    assert all(each.marks.whole for each in examples)


def test_a_data_set_by_name(tmp_path: Path) -> None:
    root = tmp_path / "voc"
    write_pictures(root / "JPEGImages", ("2008_1.jpg",))
    (root / "SegmentationClass").mkdir()
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("2008_1\n")
    Image.fromarray(np.where(square(), 2, 0).astype(np.uint8)).save(root / "SegmentationClass" / "2008_1.png")
    examples, rejected = read(Labelled(root, Path("voc21")))
    assert not rejected
    assert [each.name for each in examples] == ["bicycle"]
    assert examples[0].marks.mask_hw is not None
    assert (examples[0].marks.mask_hw == square()).all()


def test_regions_of_a_class_are_one_example_and_crowds_are_none(tmp_path: Path) -> None:
    labelled = coco_polygons(tmp_path)
    values = json.loads(labelled.labels.read_text())
    first = values["annotations"][0]
    crowd = {**first, "id": 80, "iscrowd": 1, "segmentation": [[30, 0, 47, 0, 47, 20, 30, 20]]}
    second = {**first, "id": 81, "segmentation": [[30, 24, 40, 24, 40, 30, 30, 30]]}
    values["annotations"] = [first, crowd, second, {**crowd, "id": 82, "image_id": 1}]
    labelled.labels.write_text(json.dumps(values))
    (example,), rejected = read(labelled)
    assert not rejected
    assert example.annotation == "70,81"
    assert example.marks.mask_hw is not None
    assert example.marks.mask_hw[26, 35]
    assert example.marks.mask_hw[10, 10]
    assert example.marks.ignored_hw is not None
    assert example.marks.ignored_hw[5, 40]
    assert not example.marks.mask_hw[5, 40]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a class that is none": ({"category_id": 99}, "no category of the id 99"),
    "a picture that is none": ({"image_id": 99}, "no picture of the id 99"),
    "no polygon": ({"segmentation": [[1, 2]]}, "three corners"),
    "no segmentation": ({"segmentation": None}, "segmentation"),
    "short runs": ({"segmentation": {"size": [32, 48], "counts": [3, 4]}}, "add up to 7"),
    "cut text": ({"segmentation": {"size": [32, 48], "counts": "PPYo"}}, "run lengths"),
    "a huge size": ({"segmentation": {"size": [99999, 99999], "counts": [1]}}, "pixels is none"),
    "nothing": ({"segmentation": []}, "three corners"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_annotation_is_named_and_the_others_go_on(what: str, tmp_path: Path) -> None:
    change, message = BAD[what]
    labelled = coco_polygons(tmp_path)
    values = json.loads(labelled.labels.read_text())
    values["annotations"].insert(1, {**values["annotations"][0], "id": 75, **change})
    labelled.labels.write_text(json.dumps(values))
    examples, rejected = read(labelled)
    assert len(examples) == 2
    assert len(rejected) == 1
    assert message in rejected[0].reason
    assert "annotation 75" in rejected[0].place


@pytest.mark.parametrize("name", FORMATS)
def test_a_missing_picture_is_named(name: str, tmp_path: Path) -> None:
    labelled = FORMATS[name](tmp_path)
    (labelled.pictures / "a.png").unlink()
    examples, rejected = read(labelled)
    assert len(examples) == 1
    assert any("a.png" in f"{each.place} {each.reason}" or "'a" in each.reason for each in rejected)


@pytest.mark.parametrize("name", ["yolo", "indexed"])
def test_numbers_of_no_class_are_named(name: str, tmp_path: Path) -> None:
    labelled = FORMATS[name](tmp_path)
    if name == "yolo":
        (labelled.labels / "a.txt").write_text("7 0 0 1 0 1 1\n0 0 0 1 x 1 1\n0 0 0 1 0 1 1\n")
        expected = ("a.txt:1", "the class '7' is none")
    else:
        Image.fromarray(np.full(SIZE_HW, 9, dtype=np.uint8)).save(labelled.labels / "a_labels.png")
        expected = ("a.png, annotation 9", "the number 9 stands for no class")
    examples, rejected = read(labelled)
    assert len(examples) == (2 if name == "yolo" else 1)
    assert expected[0] in rejected[0].place
    assert expected[1] in rejected[0].reason


def test_names_of_classes_are_asked_for(tmp_path: Path) -> None:
    labelled = FORMATS["indexed"](tmp_path)
    (tmp_path / "classes.txt").rename(tmp_path / "mine.txt")
    with pytest.raises(LabelsError, match="give a file of them with --classes"):
        open_labels(labelled.pictures, labelled.labels)
    assert len(read(Labelled(labelled.pictures, labelled.labels, tmp_path / "mine.txt"))[0]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "is no valid JSON"),
        ("{}", "of no known kind"),
        ('{"images": 1, "annotations": [], "categories": []}', "is no list"),
    ],
)
def test_files_that_are_no_labels(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(LabelsError, match=message):
        open_labels(write_pictures(tmp_path / "pictures"), tmp_path / "labels.json")
    with pytest.raises(LabelsError, match=r"gone.json cannot be read"):
        open_labels(tmp_path / "pictures", tmp_path / "gone.json")
    with pytest.raises(LabelsError, match="is no folder"):
        open_labels(tmp_path / "labels.json", tmp_path / "labels.json")


def test_pictures_lie_in_the_folder_and_nowhere_else(tmp_path: Path) -> None:
    labelled = coco_polygons(tmp_path)
    shutil.copy(labelled.pictures / "a.png", tmp_path / "secret.png")
    values = json.loads(labelled.labels.read_text())
    values["images"][0]["file_name"] = "../secret.png"
    values["images"][1]["file_name"] = "/elsewhere/b.png"
    labelled.labels.write_text(json.dumps(values))
    examples, rejected = read(labelled)
    assert [each.picture for each in examples] == [labelled.pictures / "b.png"]
    assert "holds no picture 'secret.png'" in rejected[0].reason


@pytest.mark.parametrize("same", [True, False])
def test_brush_strokes_are_unpacked(same: bool) -> None:
    mask = np.random.default_rng(0).random((9, 7)) < 0.4
    np.testing.assert_array_equal(decode_brush(pack_brush(mask, same=same), (9, 7)), mask)
    with pytest.raises(ValueError, match="cut off"):
        decode_brush(pack_brush(mask, same=same)[:-3], (9, 7))
    with pytest.raises(ValueError, match="not four for each of 8 x 9 pixels"):
        decode_brush(pack_brush(mask, same=same), (9, 8))


@given(st.binary(max_size=60).map(lambda data: "".join(chr(48 + byte % 64) for byte in data)))
def test_text_runs_are_read_as_pycocotools_reads_them(text: str) -> None:
    """Where they fit some size; else they are refused before it is asked."""
    from pycocotools import mask as coco_mask

    try:
        runs = _unpacked(text)
    except ValueError:
        return
    total = sum(runs)
    if min(runs, default=-1) < 0 or not 0 < total < 10_000:
        return
    expected = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    decoded = coco_mask.decode({"size": [total, 1], "counts": text.encode()})
    np.testing.assert_array_equal(decoded.ravel() > 0, expected)


def test_polygons_beyond_the_picture_are_cut() -> None:
    mask = polygon_mask([[-1e300, -5, 1e300, -5, 1e300, 10, -1e300, 10]], (20, 30))
    assert mask[:9].all()
    assert not mask[12:].any()


def strange(values: Any) -> Iterator[Any]:
    """The document with one value replaced, everywhere."""
    replacements: list[Any] = [None, -1, 1e308, 2**70, True, [], {}, *TEXTS[:4]]
    items = (
        enumerate(values) if isinstance(values, list) else values.items() if isinstance(values, dict) else ()
    )
    for key, value in items:
        copy = values.copy()
        for other in replacements:
            copy[key] = other
            yield copy.copy()
        for inner in strange(value) if isinstance(value, list | dict) and len(value) < 20 else ():
            copy[key] = inner
            yield copy.copy()


@pytest.mark.parametrize("name", ["coco_text_runs", "labelme", "label_studio", "coco_panoptic"])
def test_strange_values_are_refused_one_by_one(name: str, tmp_path: Path) -> None:
    labelled = FORMATS[name](tmp_path)
    path = labelled.labels if labelled.labels.is_file() else labelled.labels / "a.json"
    values = json.loads(path.read_text())
    for place, changed in enumerate(strange(values)):
        if place % 7:
            continue
        path.write_text(json.dumps(changed))
        with suppress(LabelsError):  # any other error fails
            read(labelled)
