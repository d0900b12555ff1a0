"""Data sets in the layouts that mmsegmentation documents, read and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from evaluation_fakes import LAYOUTS, ColourLabeller, Layout, write_picture, write_stuff, write_truth
from PIL import Image

from freeda_segment.classes import parse_class_lines
from freeda_segment.errors import ClassesError, DatasetError, OptionError, TruthUnreadableError
from freeda_segment.evaluation.labelled import open_dataset
from freeda_segment.evaluation.run import count
from freeda_segment.evaluation.specs import TINY, dataset_names, load_spec, official_classes

COUNTS = {
    "ade20k": 150,
    "cityscapes": 19,
    "coco-object": 81,
    "coco-stuff": 171,
    "context59": 59,
    "context60": 60,
    "voc20": 20,
    "voc21": 21,
}
by_name = {layout.dataset: layout for layout in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.dataset)
def test_figures_are_those_worked_out_by_hand(layout: Layout, tmp_path: Path) -> None:
    layout.write(tmp_path)
    pictures = open_dataset(layout.dataset, tmp_path)
    metrics = count(pictures, ColourLabeller(), 0).metrics
    known = {index: iou for index, iou in enumerate(metrics.iou.tolist()) if not np.isnan(iou)}
    assert known == pytest.approx(dict(layout.iou))
    assert metrics.mean_iou == pytest.approx(layout.mean_iou)
    assert metrics.pixel_accuracy == pytest.approx(layout.accuracy)


def test_every_data_set_has_a_layout_here_and_its_number_of_classes(tmp_path: Path) -> None:
    assert set(dataset_names()) == {*by_name, TINY} == {*COUNTS, TINY}
    for layout in LAYOUTS:
        layout.write(tmp_path / layout.dataset)
        classes = open_dataset(layout.dataset, tmp_path / layout.dataset).classes
        assert len(classes) == COUNTS[layout.dataset]
        assert classes.with_background == (classes.names[0] == "background")


@pytest.mark.parametrize(
    ("dataset", "folder"),
    [
        ("voc20", "VOC2012"),
        ("voc21", "VOCdevkit/VOC2012"),
        ("context59", "VOC2010"),
        ("context60", "VOCdevkit/VOC2010"),
        ("coco-stuff", "coco_stuff164k"),
        ("coco-object", "coco_stuff164k"),
        ("cityscapes", "cityscapes"),
        ("ade20k", "ade/ADEChallengeData2016"),
        ("ade20k", "ADEChallengeData2016"),
    ],
)
def test_the_folder_above_will_do(dataset: str, folder: str, tmp_path: Path) -> None:
    by_name[dataset].write(tmp_path / folder)
    assert len(open_dataset(dataset, tmp_path).pictures) == 1


@pytest.mark.parametrize(
    ("dataset", "places"),
    [
        ("ade20k", {0: "wall", 7: "bed", 149: "flag"}),
        ("cityscapes", {0: "road", 11: "person", 18: "bicycle"}),
        ("coco-stuff", {0: "person", 79: "toothbrush", 80: "banner", 170: "wood"}),
        ("coco-object", {0: "person", 79: "toothbrush"}),
        ("context59", {0: "aeroplane", 1: "bag", 36: "person", 58: "wood"}),
        ("voc20", {0: "aeroplane", 10: "diningtable", 14: "person", 19: "tvmonitor"}),
    ],
)
def test_names_stand_at_their_labels(dataset: str, places: dict[int, str]) -> None:
    names = official_classes(load_spec(dataset)).names
    assert {index: names[index] for index in places} == places


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [
        ("voc20", (100, 0.7, 20)),
        ("voc21", (100, 0.7, 20)),
        ("context59", (100, 1.0, 20)),
        ("ade20k", (100, 1.0, 20)),
        ("coco-stuff", (100, 1.0, 100)),
        ("cityscapes", (20, 0.5, 50)),
    ],
)
def test_superpixels_are_the_authors(dataset: str, settings: tuple[float, float, float]) -> None:
    spec = load_spec(dataset).superpixels
    assert (spec.name, spec.scale, spec.sigma, spec.min_size) == ("felzenszwalb", *settings)


def test_background_has_a_rule_where_it_is_counted_and_only_there() -> None:
    for name in COUNTS:
        spec = load_spec(name)
        assert (spec.background is not None) == (spec.zero == "background")


def test_only_the_pictures_of_the_split_are_used_in_its_order(tmp_path: Path) -> None:
    layout = by_name["voc20"]
    layout.write(tmp_path)
    for name in ("2007_000001", "2007_000099"):
        write_picture(tmp_path / f"JPEGImages/{name}.jpg", [[0, 0]])
        write_truth(tmp_path / f"SegmentationClass/{name}.png", [[1, 1]])
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("2007_000099\n\n2007_000001 1\n2007_000099\n")
    assert open_dataset("voc20", tmp_path).pictures == ("2007_000099", "2007_000001")


def test_pictures_without_a_split_come_sorted_from_all_folders(tmp_path: Path) -> None:
    for city in ("munster", "frankfurt"):
        write_picture(tmp_path / f"leftImg8bit/val/{city}/{city}_0_leftImg8bit.png", [[0]])
        write_truth(tmp_path / f"gtFine/val/{city}/{city}_0_gtFine_labelTrainIds.png", [[0]])
        write_truth(tmp_path / f"gtFine/val/{city}/{city}_0_gtFine_labelIds.png", [[7]])
    pictures = open_dataset("cityscapes", tmp_path).pictures
    assert pictures == ("frankfurt/frankfurt_0", "munster/munster_0")


def test_missing_label_maps_are_counted_and_the_way_to_make_them_told(tmp_path: Path) -> None:
    write_stuff(tmp_path, 3)
    for number in (1, 2):
        (tmp_path / f"annotations/val2017/{number:012d}_labelTrainIds.png").unlink()
    with pytest.raises(
        DatasetError, match=r"000000000001_labelTrainIds.*and 1 more of 3.*coco_stuff164k\.py"
    ):
        open_dataset("coco-stuff", tmp_path)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown data set 'imagenet'"):
        open_dataset("imagenet", tmp_path)
    with pytest.raises(OptionError, match="--root"):
        open_dataset("voc20")
    with pytest.raises(DatasetError, match="no folder images/validation"):
        open_dataset("ade20k", tmp_path)
    (tmp_path / "images/validation").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no picture"):
        open_dataset("ade20k", tmp_path)


def test_a_split_may_not_lead_outside(tmp_path: Path) -> None:
    layout = by_name["voc20"]
    layout.write(tmp_path)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("../../secret\n")
    with pytest.raises(DatasetError, match="outside the data set"):
        open_dataset("voc20", tmp_path)


@pytest.mark.parametrize(
    ("labels", "told"),
    [([[0, 151], [1, 1]], "class 150 of 150"), ([[1, 1, 1], [1, 1, 1]], "48 x 32 pixels")],
)
def test_wrong_label_maps_are_named(labels: list[list[int]], told: str, tmp_path: Path) -> None:
    layout = by_name["ade20k"]
    layout.write(tmp_path)
    write_truth(tmp_path / layout.truth, labels)
    with pytest.raises(DatasetError, match=told):
        open_dataset("ade20k", tmp_path).load(0)


def test_colours_and_broken_files_are_no_label_maps(tmp_path: Path) -> None:
    layout = by_name["ade20k"]
    layout.write(tmp_path)
    write_picture(tmp_path / layout.truth, layout.seen)
    with pytest.raises(DatasetError, match="no label map"):
        open_dataset("ade20k", tmp_path).load(0)
    (tmp_path / layout.truth).write_bytes(b"\x89PNG nothing")
    with pytest.raises(TruthUnreadableError, match="begins as a picture, and is damaged"):
        open_dataset("ade20k", tmp_path).load(0)


def test_names_of_ones_own_may_have_synonyms(tmp_path: Path) -> None:
    layout = by_name["voc21"]
    layout.write(tmp_path)
    lines = list(official_classes(load_spec("voc21")).names)
    lines[19] = "tv monitor | television|screen"
    file = tmp_path / "names.txt"
    file.write_text("# mine\n\n" + "\n".join(lines))
    classes = open_dataset("voc21", tmp_path, file).classes
    assert classes.texts.classes[19].texts == ("tv monitor", "television", "screen")
    assert classes.names[20] == "tv monitor"
    file.write_text("\n".join(lines[:-1]))
    with pytest.raises(DatasetError, match="19 classes and the data set has 20"):
        open_dataset("voc21", tmp_path, file)
    with pytest.raises(ClassesError, match="cannot be read"):
        open_dataset("voc21", tmp_path, tmp_path / "none.txt")


def test_a_text_belongs_to_one_class() -> None:
    with pytest.raises(ClassesError, match=r"names\.txt has 'Screen' twice, in lines 1 and 3"):
        parse_class_lines(["monitor|screen", "", "Screen"], "names.txt")


def test_the_bundled_scenes_need_no_folder() -> None:
    pictures = open_dataset(TINY)
    picture = pictures.load(0)
    assert picture.truth.shape == picture.image.shape[:2]
    assert len(set(pictures.pictures)) == len(pictures.pictures)
    assert not pictures.classes.with_background


def turn(path: Path, orientation: int) -> None:
    """Give a picture an EXIF orientation, and leave its raster."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(path) as picture:
        picture.save(path, exif=exif, quality="keep")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["voc20", "ade20k"])
def test_a_label_map_is_that_of_the_raster_whatever_exif_says(
    name: str, orientation: int, tmp_path: Path
) -> None:
    layout = by_name[name]
    layout.write(tmp_path)
    turn(tmp_path / layout.image, orientation)
    metrics = count(open_dataset(name, tmp_path), ColourLabeller(), 0).metrics
    assert metrics.mean_iou == pytest.approx(layout.mean_iou)
    assert metrics.pixel_accuracy == pytest.approx(layout.accuracy)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_label_map_of_the_turned_pictures_size_is_that_of_the_turned_picture(
    orientation: int, tmp_path: Path
) -> None:
    image, truth = "images/validation/ADE_1.jpg", "annotations/validation/ADE_1.png"
    seen = np.array([[0, 1, 2], [3, 4, 5]])
    write_picture(tmp_path / image, seen.tolist())
    turn(tmp_path / image, orientation)
    upright = {5: seen.T, 6: seen[::-1].T, 7: seen[::-1, ::-1].T, 8: seen[:, ::-1].T}[orientation]
    for labels, accuracy in ((upright + 1, 1), (seen + 1, 1), (np.roll(upright, 1, axis=0) + 1, 0)):
        write_truth(tmp_path / truth, labels.tolist())
        metrics = count(open_dataset("ade20k", tmp_path), ColourLabeller(), 0).metrics
        assert metrics.pixel_accuracy == accuracy
    write_truth(tmp_path / truth, [[1, 1]])
    with pytest.raises(DatasetError, match="has 32 x 16 pixels and its picture 48 x 32"):
        open_dataset("ade20k", tmp_path).load(0)


def split_of(tmp_path: Path, content: bytes, *names: str, labels: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What a VOC split of this content names, where these pictures and label maps exist."""
    for name in names:
        write_picture(tmp_path / f"JPEGImages/{name}.jpg", [[0]])
    for name in (*names, *labels):
        write_truth(tmp_path / f"SegmentationClass/{name}.png", [[1]])
    file = tmp_path / "ImageSets/Segmentation/val.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return tuple(open_dataset("voc20", tmp_path).pictures)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfone\ntwo\n",
        b"one\r\ntwo\r\n",
        b"\n one \n\n\ttwo",
        b"one.jpg\ntwo.jpg\n",
        b"one 1\ntwo -1\n",
        b"one\tone\ntwo two.png\n",
        b"one.jpg one.png\ntwo.jpg two.png\n",
        b"one\ntwo\none\n",
    ],
)
def test_a_split_in_any_of_its_ways_of_writing(content: bytes, tmp_path: Path) -> None:
    assert split_of(tmp_path, content, "one", "two") == ("one", "two")


def test_names_in_a_split_may_hold_spaces(tmp_path: Path) -> None:
    names = ("my photo", "my", "my photo 2", "café\u2028x")
    assert split_of(tmp_path, "\n".join(names).encode(), *names) == names


def test_a_split_may_name_a_label_map_too(tmp_path: Path) -> None:
    content = b"one map of one\nmy photo.jpg my map.png\n"
    found = split_of(tmp_path, content, "one", "my photo", labels=("map of one", "my map"))
    assert found == ("one map of one", "my photo my map")
    for name in ("one", "my photo"):
        (tmp_path / f"SegmentationClass/{name}.png").unlink()
    pictures = open_dataset("voc20", tmp_path)
    assert pictures.load(1).truth.shape == pictures.load(1).image.shape[:2]


def test_a_split_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"val\.txt cannot be read \(it is not UTF-8\)"):
        split_of(tmp_path, b"\xff\xfeo\0n\0e\0", "one")
    with pytest.raises(DatasetError, match=r"JPEGImages/three\.jpg does not exist"):
        split_of(tmp_path, b"one\nthree 1\n", "one")
    with pytest.raises(DatasetError, match="outside"):
        split_of(tmp_path, b"one ../../secret\n../one 1\n", "one")
