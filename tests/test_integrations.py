"""Bridges to other tools, against their real packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
from cvat_sdk.auto_annotation import DetectionFunctionSpec
from cvat_sdk.masks import decode_mask
from PIL import Image, ImageDraw

sys.path.append(str(Path(__file__).parent / "segment"))

from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings, striped_picture

from freeda.integrations import cvat
from freeda.integrations.supervision import labelling, object_detections, to_detections
from freeda_models.errors import PackageMissingError
from freeda_segment import Segmentation, Segmenter
from freeda_segment.outputs.instances import find_instances

CLASSES = "red,green,blue|navy"


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(FakeBank(), FakeClip(), FakeBackbone((16, 16)), settings=small_settings(alpha=1.0))


@pytest.fixture
def picture() -> Any:
    """Red, blue, red, with a green square in the middle."""
    pixels = striped_picture(["red", "blue", "red"], 64, 96)
    pixels[20:44, 36:60] = (30, 200, 40)
    return pixels


@pytest.fixture
def made(segmenter: Segmenter, picture: Any) -> Segmentation:
    return segmenter.segment(picture, CLASSES)


class Context:
    """What CVAT says of a picture."""

    frame_name = "a.png"

    def __init__(self, *, polygons: bool = False, confidence: float | None = None) -> None:
        self.conv_mask_to_poly, self.conf_threshold = polygons, confidence


def test_cvat_gets_exact_masks(segmenter: Segmenter, picture: Any, made: Segmentation) -> None:
    function = cvat.FreedaFunction(segmenter, segmenter.prepare(CLASSES), min_area=0)
    assert isinstance(function.spec, DetectionFunctionSpec)
    assert [(label.name, label.id) for label in function.spec.labels] == [
        ("red", 0),
        ("green", 1),
        ("blue", 2),
    ]
    labels = np.full((64, 96), -1, np.int16)
    shapes = function.detect(Context(), Image.fromarray(picture))
    for shape in shapes:
        assert (shape.type.value, shape.frame) == ("mask", 0)
        mask = decode_mask(shape.points, image_width=96, image_height=64)
        assert (labels[mask] == -1).all(), "areas do not overlap"
        labels[mask] = shape.label_id
    np.testing.assert_array_equal(labels, made.labels)
    assert len(shapes) > 3, "both red stripes are areas of their own"


def test_cvat_gets_polygons_where_it_asks_for_them(
    segmenter: Segmenter, picture: Any, made: Segmentation
) -> None:
    function = cvat.FreedaFunction(segmenter, segmenter.prepare(CLASSES), min_area=0.02, tolerance=0.5)
    shapes = function.detect(Context(polygons=True), Image.fromarray(picture))
    assert {shape.type.value for shape in shapes} == {"polygon"}
    (green,) = [shape for shape in shapes if shape.label_id == 1]
    drawn = Image.new("1", (96, 64))
    ImageDraw.Draw(drawn).polygon(green.points, fill=1)
    mask, exact = np.asarray(drawn), made.labels == 1
    assert (mask & exact).sum() / (mask | exact).sum() > 0.85


def test_cvats_threshold_leaves_unsure_regions_out(
    segmenter: Segmenter, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    changed = Segmenter.with_settings

    def watched(self: Segmenter, **changes: Any) -> Segmenter:
        asked.append(changes)
        return changed(self, **changes)

    monkeypatch.setattr(Segmenter, "with_settings", watched)
    function = cvat.FreedaFunction(segmenter, segmenter.prepare(CLASSES))
    function.detect(Context(confidence=0.4), Image.fromarray(picture))
    function.detect(Context(), Image.fromarray(picture))
    assert asked == [{"unsure": 0.4}]


def test_cvat_cli_makes_the_function_by_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []

    def opener(bank: str, **options: object) -> Segmenter:
        opened.append((bank, options))
        return Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())

    monkeypatch.setattr("freeda_segment.segmenter.open_segmenter", opener)
    function = cvat.create(classes="red,green", bank="colours@4", device="cpu")
    assert [label.name for label in function.spec.labels] == ["red", "green"]
    assert opened == [("colours@4", {"preset": None, "device": "cpu"})]


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvat_sdk.auto_annotation", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'freeda\[cvat\]'"):
        cvat.create("red")


def test_supervision_gets_objects(made: Segmentation, picture: Any) -> None:
    found = object_detections(made, min_area=0)
    assert isinstance(found.mask, np.ndarray)
    assert found.class_id is not None
    np.testing.assert_array_equal(found.xyxy, supervision.mask_to_xyxy(found.mask))
    labels = np.full(made.size_hw, -1, np.int16)
    for mask, index in zip(found.mask, found.class_id, strict=True):
        labels[mask] = index
    np.testing.assert_array_equal(labels, made.labels)
    assert len(found) > len(to_detections(made)) == 3
    assert len(object_detections(made, min_area=0.9)) == 0
    drawn = supervision.PolygonAnnotator().annotate(picture.copy(), found)
    assert drawn.shape == picture.shape


def test_supervisions_slicer_takes_the_labelling(segmenter: Segmenter, picture: Any) -> None:
    bgr = picture[:, :, ::-1].copy()
    by_class = labelling(segmenter, CLASSES, objects=False)(bgr)
    assert set(by_class.data["class_name"]) == {"red", "green", "blue"}
    slicer = supervision.InferenceSlicer(
        callback=labelling(segmenter, segmenter.prepare(CLASSES)), slice_wh=(64, 64), overlap_wh=(16, 16)
    )
    assert set(slicer(bgr).data["class_name"]) == {"red", "green", "blue"}


def test_masks_of_instances_are_exact() -> None:
    labels = np.random.default_rng(0).integers(-1, 2, (23, 31)).astype(np.int16)
    again = np.full_like(labels, -1)
    for each in find_instances(labels, min_area=0):
        left, top, width, height = each.box_xywh
        assert each.mask().sum() == each.area
        again[top : top + height, left : left + width][each.mask()] = each.label
    np.testing.assert_array_equal(again, labels)
