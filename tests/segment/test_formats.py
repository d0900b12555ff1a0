from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.coco import COCO
from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings, striped_picture

from freeda_segment.images import Picture
from freeda_segment.outputs import (
    Index,
    IndexEntry,
    Result,
    explanation_page_of,
    find_done,
    made_of,
    output_paths,
    write_fresh,
    write_index,
    write_outputs,
)
from freeda_segment.outputs.geojson import trace_polygons
from freeda_segment.outputs.report import report
from freeda_segment.outputs.told import Told
from freeda_segment.pixels.background import Background
from freeda_segment.segmenter import Segmenter
from freeda_store.errors import OverwriteError


@pytest.fixture
def made(segmenter: Segmenter) -> Result:
    picture = striped_picture(["red", "blue", "red"], 80, 120)
    picture[18:62, 44:76] = (230, 220, 30)
    chosen = segmenter.with_settings(background=Background(threshold=0.3), alpha=1.0)
    given = Picture(picture, (80, 120), "in/stripes.png")
    return Result(chosen.segment(given, "red,blue,yellow,green"), "ab" * 32)


def crossings(polygons: Any, size_hw: Any) -> np.ndarray:
    """Even-odd rule at the centre of each pixel, by counting vertical edges to its left."""
    inside = np.zeros(size_hw, int)
    for rings in polygons:
        for ring in rings:
            for (x0, y0), (x1, y1) in pairwise(ring):
                if x0 == x1:
                    inside[min(y0, y1) : max(y0, y1), x0:] += 1
    odd: np.ndarray = inside % 2 == 1
    return odd


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_polygons_are_exact_simple_and_oriented(seed: int, height: int, width: int, classes: int) -> None:
    labels = np.random.default_rng(seed).integers(-1, classes, (height, width)).astype(np.int16)
    found: dict[int, list[Any]] = {}
    for label, rings in trace_polygons(labels):
        found.setdefault(label, []).append([ring.tolist() for ring in rings])
        for number, ring in enumerate(rings):
            x, y = ring.T
            area = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2
            assert (area > 0) == (number == 0)
            assert len(np.unique(ring[:-1], axis=0)) == len(ring) - 1, "a ring touches itself"
            assert ((np.diff(x) == 0) ^ (np.diff(y) == 0)).all()
    assert set(found) == set(np.unique(labels)) - {-1}
    for label, polygons in found.items():
        np.testing.assert_array_equal(crossings(polygons, labels.shape), labels == label)


def test_geojson_has_names_and_exact_masks(made: Result, tmp_path: Path) -> None:
    path = write_outputs(tmp_path, "a", made, ["geojson"])["geojson"]
    document = json.loads(path.read_text())
    labels = made.segmentation.labels
    for feature in document["features"]:
        properties = feature["properties"]
        mask = crossings(feature["geometry"]["coordinates"], labels.shape)
        np.testing.assert_array_equal(mask, labels == properties["index"])
        assert properties["name"] == made.segmentation.class_names[properties["index"]]
    assert {each["properties"]["name"] for each in document["features"]} == {"red", "blue", "yellow"}


def test_coco_reads_the_masks_back(made: Result, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_outputs(tmp_path, "a", made, ["rle"])["rle"]
    coco = COCO(path)
    assert [each["name"] for each in coco.loadCats(coco.getCatIds())] == ["red", "blue", "yellow", "green"]
    assert coco.loadImgs([1])[0]["file_name"] == "stripes.png"
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = made.segmentation.labels == annotation["category_id"] - 1
        np.testing.assert_array_equal(coco.annToMask(annotation).astype(bool), mask)
        assert annotation["area"] == mask.sum()


def test_npz_holds_labels_and_scores(made: Result, tmp_path: Path) -> None:
    path = write_outputs(tmp_path, "a", made, ["npz"])["npz"]
    with np.load(path, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["labels"], made.segmentation.labels)
        np.testing.assert_array_equal(file["scores"], made.segmentation.scores)
        assert tuple(file["class_names"]) == made.segmentation.class_names
        assert np.isnan(file["class_scores"][3])
        assert file["scores"].dtype == np.float32


def wanted_of(made: Result) -> dict[str, Any]:
    return made_of(made.sha256, made.segmentation.classes, made.segmentation.provenance)


def test_done_is_the_same_origin_with_all_formats(segmenter: Segmenter, made: Result, tmp_path: Path) -> None:
    wanted = wanted_of(made)
    assert find_done(tmp_path, "a", wanted, ["png"]) is None
    write_fresh(tmp_path, "a", made, ["png"])
    done = find_done(tmp_path, "a", wanted, ["png"])
    assert done is not None
    assert done["picture"]["sha256"] == made.sha256
    assert find_done(tmp_path, "a", wanted, ["png", "npz"]) is None
    write_fresh(tmp_path, "a", made, ["npz"])
    assert find_done(tmp_path, "a", wanted, ["png", "npz"]) is not None
    changes: list[dict[str, Any]] = [
        {"sha256": "cd"},
        {"classes": [["red"]]},
        {"bank": {}},
        {"settings": {}},
        {"models": {}},
    ]
    for change in changes:
        assert find_done(tmp_path, "a", wanted | change, ["png"]) is None
    output_paths(tmp_path, "a", ["png"])["png"].unlink()
    assert find_done(tmp_path, "a", wanted, ["png"]) is None
    assert find_done(tmp_path, "a", wanted, ["npz"]) is not None


def test_last_bits_of_the_networks_are_no_reason_to_label_again(made: Result, tmp_path: Path) -> None:
    class Elsewhere(FakeBackbone):
        """On another processor, features may be off by their last bits."""

        def encode(self, images_bhwc: Any) -> Any:
            return super().encode(images_bhwc) * np.float32(1 + 1e-6)

    write_fresh(tmp_path, "a", made, ["png"])
    elsewhere = Segmenter(FakeBank(), FakeClip(), Elsewhere(), settings=small_settings())
    chosen = elsewhere.with_settings(background=Background(threshold=0.3), alpha=1.0)
    other = Result(chosen.segment(made.image, "red,blue,yellow,green"), made.sha256)
    assert (other.segmentation.scores != made.segmentation.scores).any()
    assert find_done(tmp_path, "a", wanted_of(other), ["png"]) is not None


def test_a_report_never_vouches_for_files_of_other_settings(
    segmenter: Segmenter, made: Result, tmp_path: Path
) -> None:
    write_fresh(tmp_path, "a", made, ["png", "npz"])
    other = Result(segmenter.segment(made.image, "blue,red"), made.sha256)
    write_fresh(tmp_path, "a", other, ["png"])
    assert find_done(tmp_path, "a", wanted_of(other), ["png"]) is not None
    assert find_done(tmp_path, "a", wanted_of(other), ["npz"]) is None, "the npz is of the first settings"
    assert find_done(tmp_path, "a", wanted_of(made), ["png"]) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"picture": 3}', '{"format": 1, "picture": {"sha256": 2}}'])
def test_a_broken_report_is_no_report(made: Result, tmp_path: Path, text: str) -> None:
    write_fresh(tmp_path, "a", made, ["png"])
    (tmp_path / "a.json").write_text(text)
    assert find_done(tmp_path, "a", wanted_of(made), ["png"]) is None
    if text:  # an empty file has nothing to lose
        with pytest.raises(OverwriteError, match=r"a\.json exists and was not written by freeda"):
            write_fresh(tmp_path, "a", made, ["png"])
    assert (tmp_path / "a.json").read_text() == text
    write_fresh(tmp_path, "a", made, ["png"], force=True)
    assert find_done(tmp_path, "a", wanted_of(made), ["png"]) is not None


def test_the_index_has_relative_links_and_escaped_names(segmenter: Segmenter, tmp_path: Path) -> None:
    pixels = striped_picture(["red", "blue"], 20, 30)
    entries = []
    for stem, classes in (('a "b" #1', "red|<script>alert(1)</script>,blue"), ("c", "<b>&red,blue")):
        made = Result(segmenter.segment(Picture(pixels, (20, 30), f"<i>{stem}"), classes))
        files = write_fresh(tmp_path, stem, made, ["overlay", "preview"])
        told = report(made)
        entries.append(IndexEntry(Told.model_validate(told), files, explanation_page_of(tmp_path, stem)))
    page = write_index(tmp_path, Index(entries)).read_text()
    assert "<i>a" not in page
    assert "&lt;b&gt;&amp;red" in page
    assert '"./a%20%22b%22%20%231.picture.jpg"' in page
    assert page.index("picture.jpg") < page.index("overlay.png") < page.index("share-table")
    assert str(tmp_path) not in page
    assert page.count("<script") == 1, "the page's own"
