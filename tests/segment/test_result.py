"""What a result does by itself: pictures, files and other libraries' objects, and what it holds in memory."""

from __future__ import annotations

import gc
import io
import json
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from segment_fakes import save, striped_picture

from freeda_models.errors import PackageMissingError
from freeda_models.protocols import ImageArray
from freeda_segment import Segmentation, Segmenter
from freeda_segment.errors import OptionError
from freeda_segment.outputs import read_labels
from freeda_segment.outputs.overlay import OverlayStyle
from freeda_segment.pixels.background import Background
from freeda_store.errors import OverwriteError


@pytest.fixture
def picture() -> ImageArray:
    return striped_picture(["red", "red", "blue"], 32, 96)


@pytest.fixture
def made(segmenter: Segmenter, picture: ImageArray) -> Segmentation:
    return segmenter.segment(picture, "red,blue,yellow")


def test_the_overlay_is_a_picture_of_the_one_that_was_given(made: Segmentation, picture: ImageArray) -> None:
    assert made.picture.pixels is picture
    sheet = made.overlay(OverlayStyle(least_side=96, opacity=0))
    assert (sheet.mode, sheet.width) == ("RGB", 480)
    assert made.overlay().width >= 640


def test_a_notebook_shows_it(made: Segmentation) -> None:
    with Image.open(io.BytesIO(made._repr_png_())) as shown:
        assert shown.format == "PNG"
        assert max(shown.size) <= 960


def test_it_says_in_one_line_what_it_is(
    segmenter: Segmenter, made: Segmentation, picture: ImageArray
) -> None:
    shares = [f"{share.name} {share.area:.1%}" for share in made.shares if share.pixels]
    assert repr(made) == f"<Segmentation 96 x 32: {', '.join(shares)}; bank colours@4 revision 4>"
    odd = segmenter.with_settings(background=Background(threshold=1.0)).segment(picture, ["a\nred", "blue"])
    assert repr(odd) == "<Segmentation 96 x 32: other 100.0%; bank colours@4 revision 4>"
    many = segmenter.segment(picture, ["red", "blue", *(f"red {index}" for index in range(20))])
    assert "\n" not in repr(many)
    assert len(repr(many)) < 300


def test_saved_files_are_named_after_the_picture(
    segmenter: Segmenter, picture: ImageArray, tmp_path: Path
) -> None:
    made = segmenter.segment(save(tmp_path / "car.png", picture), "red,blue")
    files = made.save(tmp_path / "out")
    assert {name: path.name for name, path in files.items()} == {
        "overlay": "car.overlay.png",
        "png": "car.labels.png",
        "report": "car.json",
    }
    assert (read_labels(files["png"]).labels == made.labels).all()
    told = json.loads(files["report"].read_text())["picture"]
    assert (told["source"], told["file"]) == (str(tmp_path / "car.png"), "../car.png")
    (tmp_path / "other").mkdir()
    other = segmenter.segment(save(tmp_path / "other" / "car.png", picture[:, ::-1]), "red,blue")
    assert other.save(tmp_path / "out", ["png"])["png"].name == "car-png.labels.png"
    assert made.save(tmp_path / "out", ["rle"])["rle"].name == "car.coco.json"


def test_pillow_pictures_know_their_file(segmenter: Segmenter, picture: ImageArray, tmp_path: Path) -> None:
    path = save(tmp_path / "car.png", picture)
    for named in (path, str(path), bytes(path)):
        with Image.open(named) as opened:
            assert segmenter.segment(opened, "red").picture.source == str(path)
    assert segmenter.segment(Image.fromarray(picture), "red").picture.source == ""


def test_a_picture_without_a_file_needs_a_name(made: Segmentation, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="came from no file; name its results"):
        made.save(tmp_path)
    for name in ("", "a/b", "../a", "/tmp/a"):
        with pytest.raises(OptionError, match="is no name of files"):
            made.save(tmp_path, name=name)
    assert list(tmp_path.iterdir()) == []
    assert made.save(tmp_path, ["npz"], name="street")["npz"].name == "street.npz"


def test_files_of_others_and_the_picture_are_never_replaced(
    segmenter: Segmenter, picture: ImageArray, tmp_path: Path
) -> None:
    (tmp_path / "a.labels.png").write_text("mine")
    made = segmenter.segment(save(tmp_path / "b.labels.png", picture), "red")
    with pytest.raises(OverwriteError):
        made.save(tmp_path, ["png"], name="a")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.labels.png", "b.labels.png"]
    with pytest.raises(OverwriteError):
        made.save(tmp_path, ["png"], name="b", force=True)
    made.save(tmp_path, ["png"], name="a", force=True)
    assert (read_labels(tmp_path / "a.labels.png").labels == 0).all()


def test_coco_has_a_mask_for_each_class_found(made: Segmentation) -> None:
    document = made.to_coco()
    assert [each["name"] for each in document["categories"]] == ["red", "blue", "yellow"]
    found = {each["category_id"] - 1: rle.decode(each["segmentation"]) for each in document["annotations"]}
    assert set(found) == set(np.unique(made.labels)) == {0, 1}
    assert all((mask == (made.labels == index)).all() for index, mask in found.items())


def test_supervision_gets_masks_boxes_and_names(
    segmenter: Segmenter, made: Segmentation, picture: ImageArray
) -> None:
    supervision = pytest.importorskip("supervision")
    found: Any = made.to_supervision()
    assert list(found.class_id) == [0, 1]
    assert list(found.data["class_name"]) == ["red", "blue"]
    assert all(
        (mask == made.mask(name)).all() for mask, name in zip(found.mask, ("red", "blue"), strict=True)
    )
    np.testing.assert_array_equal(found.xyxy, supervision.mask_to_xyxy(found.mask))
    assert list(found.confidence) == [pytest.approx(share.score) for share in made.shares if share.pixels]
    drawn = supervision.MaskAnnotator().annotate(picture.copy(), found)
    assert drawn.shape == picture.shape
    nothing = segmenter.with_settings(background=Background(threshold=1.0)).segment(picture, "red")
    assert len(nothing.to_supervision()) == 0


def test_without_supervision_it_says_what_to_install(
    made: Segmentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'freeda\[supervision\]'"):
        made.to_supervision()


@pytest.mark.parametrize("keep", [False, True])
def test_the_features_of_windows_are_kept_only_when_asked(
    segmenter: Segmenter, picture: ImageArray, keep: bool
) -> None:
    """Through whatever it is reachable: a feature that is held stays alive when all else has let go of it."""
    prototypes = segmenter.prepare("red,blue")
    results: list[Segmentation] = []
    features: list[Any] = []
    for _ in range(3):
        encoded = segmenter.encode(picture.copy())
        results.append(segmenter.label(encoded, prototypes, keep_evidence=keep))
        for window in encoded.windows:
            features += map(weakref.ref, (window.tokens, window.regions.vectors, window.embedding))
        del encoded, window
    gc.collect()
    held = [feature() is not None for feature in features]
    assert len(held) >= 9
    assert all(held) if keep else not any(held)
    assert all(each.scores.shape == (32, 96) for each in results), "scores need no features"
