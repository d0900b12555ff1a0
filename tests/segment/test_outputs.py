from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from segment_fakes import striped_picture

from freeda_segment import Segmenter
from freeda_segment.errors import OptionError, OutputError
from freeda_segment.images import Picture
from freeda_segment.outputs import DEFAULT_FORMATS, Result, read_labels, write_outputs
from freeda_segment.outputs.overlay import OverlayStyle, draw_overlay, drawn_names, undrawn_names
from freeda_segment.outputs.palette import class_colours
from freeda_segment.outputs.region_names import draw_names, widest_places
from freeda_segment.outputs.resume import made_of
from freeda_segment.pixels.background import Background
from freeda_segment.result import Provenance


def result(
    segmenter: Any,
    names: Any = ("red", "blue"),
    classes: Any = None,
    size: Any = (40, 60),
    source: Any = "stripes.png",
    **changes: Any,
) -> Result:
    picture = striped_picture(names, *size)
    chosen = segmenter.with_settings(**changes) if changes else segmenter
    shown = Picture(picture, size, source)
    return Result(chosen.segment(shown, classes or ",".join(names)))


def test_labels_come_back_with_their_names(segmenter: Segmenter, tmp_path: Path) -> None:
    made = result(segmenter, classes="réd|red,blue")
    path = write_outputs(tmp_path, "a", made, ["png"])["png"]
    back = read_labels(path)
    assert (back.labels == made.segmentation.labels).all()
    assert back.class_names == ("réd", "blue")
    with Image.open(path) as picture:
        assert isinstance(picture, PngImageFile)
        assert picture.mode == "P"
        assert json.loads(picture.text["freeda:classes"]) == ["réd", "blue"]
        assert (picture.getpalette() or [])[:6] == class_colours(2).ravel().tolist()


def test_background_is_255(segmenter: Segmenter, tmp_path: Path) -> None:
    made = result(segmenter, background=Background(threshold=1.0))
    assert made.segmentation.background_area == 1
    path = write_outputs(tmp_path, "a", made, ["png"])["png"]
    with Image.open(path) as picture:
        assert (np.asarray(picture) == 255).all()
    assert (read_labels(path).labels == -1).all()


@pytest.mark.parametrize(("classes", "mode"), [(255, "P"), (256, "I;16"), (500, "I;16")])
def test_many_classes(segmenter: Segmenter, tmp_path: Path, classes: int, mode: str) -> None:
    names = ["red", *(f"thing{index}" for index in range(classes - 2)), "blue"]
    made = result(segmenter, classes=",".join(names), k=3)
    assert {0, classes - 1} <= set(np.unique(made.segmentation.labels))
    paths = write_outputs(tmp_path, "a", made)
    with Image.open(paths["png"]) as picture:
        assert picture.mode == mode
    back = read_labels(paths["png"])
    assert (back.labels == made.segmentation.labels).all()
    assert back.class_names == tuple(names)


def test_the_report_tells_areas_and_settings(segmenter: Segmenter, tmp_path: Path) -> None:
    made = result(segmenter, ("red", "red", "blue"), "red,blue,yellow", size=(32, 96))
    path = write_outputs(tmp_path, "a", made, ["report"])["report"]
    document = json.loads(path.read_text())
    red, blue, yellow = document["classes"]
    assert red["area"] == pytest.approx(2 / 3, abs=0.03)
    assert blue["area"] == pytest.approx(1 / 3, abs=0.03)
    assert (yellow["pixels"], yellow["score"]) == (0, None)
    assert 0.5 < red["score"] < 1
    assert red["colour"] == "#ff8900"
    assert (document["bank"]["address"], document["bank"]["revision"]) == ("colours@4", 4)
    assert document["models"]["backbone"] == "dino-a"
    assert document["settings"]["superpixels.scale"] == 50.0
    assert document["settings"]["k"] == 3
    picture = {"source": "stripes.png", "file": "", "width": 96, "height": 32, "sha256": ""}
    assert document["picture"] == picture


def test_the_overlay_shows_colours_outlines_and_legend(segmenter: Segmenter) -> None:
    made = result(segmenter)
    sheet = np.asarray(draw_overlay(made, OverlayStyle(opacity=0.5, saturation=0, least_side=600)))
    height = 400
    assert sheet.shape[1] == 600
    assert sheet.shape[0] > height
    tint = class_colours(2).astype(int)
    for index, x in enumerate((100, 500)):
        red, green, blue = made.image[0, 0 if index == 0 else -1].astype(float)
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        np.testing.assert_allclose(sheet[200, x], (grey + tint[index]) / 2, atol=2)
    assert (sheet[200] == 255).all(axis=1).any()
    legend = sheet[height:].reshape(-1, 3)
    assert all((legend == colour).all(axis=1).sum() > 50 for colour in tint)


def test_names_that_no_font_can_draw_are_numbers(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.views import fonts

    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ())
    named = ("red", "木", "🚗", "Baum")
    assert drawn_names(named) == ["red", "#1", "#2", "Baum"]
    assert undrawn_names(named) == ("木", "🚗")
    by_name = np.asarray(draw_overlay(result(segmenter, classes="red,#1")))
    by_number = np.asarray(draw_overlay(result(segmenter, classes="red,木|blue")))
    assert by_name.shape == by_number.shape


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (50, 3000)])
def test_overlays_of_odd_sizes_keep_a_readable_legend(segmenter: Segmenter, size: tuple[int, int]) -> None:
    made = result(
        segmenter, size=size, classes="a class with a name that is much longer than its legend is wide " * 3
    )
    sheet = draw_overlay(made)
    assert 480 <= sheet.width <= 2048
    assert sheet.height >= 15


def test_colours_are_distinct_and_do_not_depend_on_their_number() -> None:
    colours = class_colours(500)
    assert len(np.unique(colours, axis=0)) == 500
    assert (colours[:20] == class_colours(20)).all()
    assert class_colours(0).shape == (0, 3)


def test_no_two_of_the_first_22_colours_look_alike_also_without_green_cones() -> None:
    from skimage.color import deltaE_ciede2000, rgb2lab

    from freeda_segment.outputs.palette import DEUTERANOPIA

    encoded = class_colours(22) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ DEUTERANOPIA.T, 0, 1)
    for colours in (encoded, np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)):
        lab = rgb2lab(colours)
        difference = deltaE_ciede2000(lab[:, None], lab[None])
        assert difference[~np.eye(22, dtype=bool)].min() > 12


def test_names_stand_in_large_regions_and_nowhere_else() -> None:
    labels = np.full((300, 400), -1, dtype=np.int16)
    labels[:, 150:] = 0
    labels[100:200, 250:380] = 1
    labels[10:30, 10:30] = 2  # too small
    places = {place.label: place.centre_xy for place in widest_places(labels)}
    assert set(places) == {0, 1}
    assert all(labels[y, x] == label for label, (x, y) in places.items())
    assert places[1] == pytest.approx((315, 150), abs=20)

    picture = Image.new("RGB", (400, 300))
    draw_names(picture, labels, ["grass", "car", "tree"], font_size=16)
    drawn = np.asarray(picture).any(axis=2)
    assert set(labels[drawn].tolist()) == {0, 1}
    draw_names(narrow := Image.new("RGB", (400, 300)), labels, ["grass", "c" * 60, "x"], font_size=16)
    assert set(labels[np.asarray(narrow).any(axis=2)].tolist()) == {0}, "a name that does not fit is left out"


@given(
    hnp.arrays(np.int16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(-1, 3))
)
def test_places_lie_in_regions_of_their_class(labels: Any) -> None:
    for place in widest_places(labels):
        x, y = place.centre_xy
        assert labels[y, x] == place.label >= 0


def test_writing_is_whole_or_not_at_all(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = result(segmenter)
    target = tmp_path / "a.json"
    target.write_text("old")
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda self, to: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OutputError, match="No space left"):
        write_outputs(tmp_path, "a", made, ["report"])
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_that_cannot_be_made_is_named(segmenter: Segmenter, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another --out folder"):
        write_outputs(tmp_path / "file" / "deep", "a", result(segmenter), ["report"])


def test_all_formats_are_written_and_unknown_ones_refused(segmenter: Segmenter, tmp_path: Path) -> None:
    made = result(segmenter)
    paths = write_outputs(tmp_path / "new" / "folder", "a.b", made)
    assert [path.name for path in paths.values()] == ["a.b.overlay.png", "a.b.labels.png", "a.b.json"]
    assert all(path.is_file() for path in paths.values())
    assert len(list((tmp_path / "new" / "folder").iterdir())) == len(DEFAULT_FORMATS)
    with pytest.raises(OptionError, match="unknown output format 'svg'"):
        write_outputs(tmp_path, "a", made, ["svg"])


def test_other_pngs_are_no_label_maps(tmp_path: Path) -> None:
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(OutputError, match="not a label map"):
        read_labels(tmp_path / "a.png")


def test_results_of_a_bank_remade_in_its_place_are_not_kept() -> None:
    first = Provenance(bank="bank", revision=1, committed_at="2026-01-01T00:00:00+00:00")
    remade = dataclasses.replace(first, committed_at="2026-01-02T00:00:00+00:00")
    assert made_of("hash", (), first) != made_of("hash", (), remade)


def test_names_that_are_not_utf_8_come_back_from_reports(segmenter: Segmenter, tmp_path: Path) -> None:
    made = result(segmenter, source="caf\udce9.png")
    path = write_outputs(tmp_path, "caf\udce9", made, ["report"])["report"]
    assert json.loads(path.read_bytes())["picture"]["source"] == "caf\udce9.png"
