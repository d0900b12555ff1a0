"""Counting in one process and in several, going on after a kill, and what is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluation_fakes import ColourLabeller, ColourRecipe, MortalRecipe, write_stuff
from PIL import Image
from segment_fakes import COLOURS, FakeBackbone, FakeBank, FakeClip, FullBank, small_settings, striped_picture

from freeda_segment.classes import ClassList, ClassName
from freeda_segment.errors import EvaluationError, ImageError, OptionError, OutputError
from freeda_segment.evaluation.datasets import Scenes
from freeda_segment.evaluation.journal import Journal, settings_key
from freeda_segment.evaluation.labelled import LabelledPictures, ScenePictures, open_dataset
from freeda_segment.evaluation.labellers import without_evidence
from freeda_segment.evaluation.maskclip import MaskClip, MaskClipClasses
from freeda_segment.evaluation.metrics import Confusion, Counts
from freeda_segment.evaluation.plan import Plan, dataset_settings, parse_methods, plan_freeda, plan_maskclip
from freeda_segment.evaluation.report import MethodResult, write_evaluation
from freeda_segment.evaluation.run import EvaluationProgress, SkippedPicture, run
from freeda_segment.evaluation.specs import DatasetClasses, load_spec
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.regions.superpixels import Felzenszwalb
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import SegmentSettings

PICTURES = 5


@pytest.fixture
def stuff(tmp_path: Path) -> LabelledPictures:
    write_stuff(tmp_path / "coco", PICTURES)
    return open_dataset("coco-stuff", tmp_path / "coco")


def journal(folder: Path, **values: Any) -> Journal:
    return Journal.open(folder, "fake", values, 171)


class Counting(ColourLabeller):
    calls = 0

    def __call__(self, image_hwc: Any) -> Any:
        self.calls += 1
        return super().__call__(image_hwc)


def test_counts_of_all_pictures_add_up(stuff: LabelledPictures, tmp_path: Path) -> None:
    told: list[EvaluationProgress] = []
    with journal(tmp_path) as notes:
        metrics = run(stuff, ColourLabeller(), notes, progress=told.append).metrics
    assert metrics.iou[:PICTURES] == pytest.approx([0.5] * PICTURES)
    assert metrics.iou[99] == 1
    assert metrics.iou[100] == 0
    assert metrics.mean_iou == pytest.approx((0.5 * PICTURES + 1) / (PICTURES + 2))
    assert metrics.pixel_accuracy == pytest.approx(0.75)
    assert [each.done for each in told] == list(range(PICTURES + 1))
    assert {each.total for each in told} == {PICTURES}


@pytest.mark.usefixtures("warm_spawn")
def test_several_processes_count_the_same(stuff: LabelledPictures, tmp_path: Path) -> None:
    with journal(tmp_path / "one") as one, journal(tmp_path / "two") as two:
        alone = run(stuff, ColourLabeller(), one)
        together = run(stuff, ColourRecipe(), two, processes=2)
    assert np.array_equal(alone.confusion.counts, together.confusion.counts)
    assert np.array_equal(alone.boundary.hits, together.boundary.hits)


def test_a_limit_takes_the_first(stuff: LabelledPictures, tmp_path: Path) -> None:
    labeller = Counting()
    with journal(tmp_path) as notes:
        few = run(stuff, labeller, notes, limit=2)
        assert labeller.calls == 2
        assert few.confusion.counts[2:PICTURES].sum() == 0
        run(stuff, labeller, notes)
        assert labeller.calls == PICTURES
        again = run(stuff, labeller, notes, limit=2)
        assert np.array_equal(again.confusion.counts, few.confusion.counts)
    assert labeller.calls == PICTURES


@pytest.mark.parametrize("name", ["limit", "processes"])
def test_numbers_below_one_are_refused(name: str, stuff: LabelledPictures, tmp_path: Path) -> None:
    with journal(tmp_path) as notes, pytest.raises(OptionError, match=f"{name} is 0"):
        run(stuff, ColourLabeller(), notes, **{name: 0})  # type: ignore[arg-type]


def test_a_labeller_cannot_be_shared_between_processes(stuff: LabelledPictures, tmp_path: Path) -> None:
    with journal(tmp_path) as notes, pytest.raises(OptionError, match="recipe"):
        run(stuff, ColourLabeller(), notes, processes=2)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.usefixtures("warm_spawn")
def test_what_cannot_be_read_is_skipped_and_named(
    processes: int, stuff: LabelledPictures, tmp_path: Path
) -> None:
    broken = tmp_path / "coco/images/val2017/000000000001.jpg"
    data = broken.read_bytes()
    broken.write_bytes(data[: data.index(b"\xff\xda") + 30])
    (tmp_path / "coco/annotations/val2017/000000000003_labelTrainIds.png").write_bytes(b"no picture")
    skipped: list[SkippedPicture] = []
    told: list[EvaluationProgress] = []
    method = ColourLabeller() if processes == 1 else ColourRecipe()
    with journal(tmp_path / "out") as notes:
        total = run(stuff, method, notes, processes=processes, progress=told.append, skip=skipped.append)
        assert len(notes.done) == PICTURES - 2
    assert sorted(each.name for each in skipped) == ["000000000001", "000000000003"]
    reasons = " ".join(each.reason for each in skipped)
    assert f"{broken} cannot be read (" in reasons
    assert "000000000003_labelTrainIds.png is not a picture" in reasons
    assert told[-1].done == told[-1].total == PICTURES
    assert total.metrics.iou[0] == pytest.approx(0.5)
    assert total.confusion.counts[1].sum() == total.confusion.counts[3].sum() == 0
    write_stuff(tmp_path / "coco", PICTURES)  # mended, the same run counts the rest
    with journal(tmp_path / "out") as notes:
        whole = run(stuff, method, notes, processes=processes, skip=skipped.append)
        assert len(notes.done) == PICTURES
    assert len(skipped) == 2
    assert whole.confusion.counts[1].sum() > 0


def test_without_a_skip_the_first_unreadable_picture_ends_the_run(
    stuff: LabelledPictures, tmp_path: Path
) -> None:
    (tmp_path / "coco/images/val2017/000000000002.jpg").write_bytes(b"")
    with journal(tmp_path / "out") as notes, pytest.raises(ImageError, match="000000000002"):
        run(stuff, ColourLabeller(), notes)
    with journal(tmp_path / "out") as notes:
        assert len(notes.done) == 2


def test_when_nothing_can_be_read_that_is_no_result(stuff: LabelledPictures, tmp_path: Path) -> None:
    for file in (tmp_path / "coco/images/val2017").iterdir():
        file.write_bytes(b"")
    skipped: list[SkippedPicture] = []
    with journal(tmp_path / "out") as notes, pytest.raises(EvaluationError, match="none of 5 pictures"):
        run(stuff, ColourLabeller(), notes, skip=skipped.append)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from evaluation_fakes import Mortal
from freeda_segment.evaluation.journal import Journal
from freeda_segment.evaluation.labelled import open_dataset
from freeda_segment.evaluation.run import run
with Journal.open(Path({folder!r}), "fake", {{}}, 171) as journal:
    run(open_dataset("coco-stuff", {root!r}), Mortal(3), journal)
"""


def test_a_kill_loses_no_more_than_the_picture_in_hand(stuff: LabelledPictures, tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "out"), root=stuff.root)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False, capture_output=True
    )
    assert ended.returncode == -9
    labeller = Counting()
    with journal(tmp_path / "out") as notes:
        assert len(notes.done) == 3
        total = run(stuff, labeller, notes)
    assert labeller.calls == PICTURES - 3
    with journal(tmp_path / "anew") as notes:
        anew = run(stuff, ColourLabeller(), notes)
        assert np.array_equal(anew.confusion.counts, total.confusion.counts)
        assert np.array_equal(anew.boundary.hits, total.boundary.hits)


@pytest.mark.usefixtures("warm_spawn")
def test_a_process_that_dies_is_told_of_and_its_colleagues_counts_are_kept(
    stuff: LabelledPictures, tmp_path: Path
) -> None:
    with journal(tmp_path) as notes, pytest.raises(EvaluationError, match="fewer --processes"):
        run(stuff, MortalRecipe(1), notes, processes=2)
    with journal(tmp_path) as notes:
        total = run(stuff, ColourLabeller(), notes)
    assert total.confusion.counts.sum() == PICTURES * 32 * 32


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    counts = Counts.of(np.array([[1, 1, 2]]), np.array([[1, 0, -1]]), 3)
    with Journal.open(tmp_path, "fake", {}, 3) as notes:
        notes.add("a", counts)
        notes.add("b", counts)
        path = notes.path
    whole = path.read_bytes()
    for cut in (1, 5, len(whole) // 2 - 1):
        path.write_bytes(whole[:-cut])
        with Journal.open(tmp_path, "fake", {}, 3) as notes:
            assert list(notes.done) == ["a"]
            notes.add("c", counts)
        with Journal.open(tmp_path, "fake", {}, 3) as notes:
            assert list(notes.done) == ["a", "c"]
            kept = notes.done["c"]
        assert np.array_equal(kept.confusion.counts, counts.confusion.counts)
        for name in ("hits", "true", "predicted"):
            assert np.array_equal(getattr(kept.boundary, name), getattr(counts.boundary, name))


def test_other_settings_have_another_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "fake", {"alpha": 0.8, "k": 3}, 3) as notes:
        notes.add("a", Counts.empty(3))
    with Journal.open(tmp_path, "fake", {"alpha": 0.7, "k": 3}, 3) as notes:
        assert notes.done == {}
    with Journal.open(tmp_path, "fake", {"k": 3, "alpha": 0.8}, 3) as notes:
        assert list(notes.done) == ["a"]
    assert settings_key({"a": 1}) != settings_key({"a": 2})


def test_a_journal_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="journal"):
        Journal.open(tmp_path / "file", "fake", {}, 3)
    with Journal.open(tmp_path, "fake", {}, 3) as notes:
        pass
    with pytest.raises(OutputError, match="closed"):
        notes.add("a", Counts.empty(3))


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch, segmenter: Segmenter) -> ScenePictures:
    """Two scenes of stripes as a data set, and a bank of colours behind every address."""

    def opened(address: str, *, settings: SegmentSettings, **_: Any) -> Segmenter:
        return segmenter.with_settings(
            **{field.name: getattr(settings, field.name) for field in fields(settings)}
        )

    monkeypatch.setattr("freeda_segment.segmenter.open_segmenter", opened)
    names = tuple(COLOURS)
    images = np.stack(
        [striped_picture(["red", "green"], 32, 32), striped_picture(["blue", "yellow"], 32, 32)]
    )
    left = np.arange(32) < 16
    labels = np.stack([np.tile(np.where(left, a, b), (32, 1)) for a, b in ((0, 1), (2, 3))]).astype(np.uint8)
    texts = ClassList(tuple(ClassName((name,)) for name in names))
    return ScenePictures(Scenes(images, labels, names, ("", "")), DatasetClasses(texts, False))


def result_of(plan: Plan, folder: Path) -> MethodResult:
    with plan.open_journal(folder) as notes:
        return MethodResult(plan, run(plan.pictures, plan.worker(1), notes), len(plan.pictures.pictures))


def test_the_method_itself_is_measured_and_reported(colours: ScenePictures, tmp_path: Path) -> None:
    plan = plan_freeda(colours, "colours", settings=small_settings(alpha=1.0))
    result = result_of(plan, tmp_path)
    assert result.metrics.mean_iou > 0.9
    files = write_evaluation(tmp_path, [result])
    report = json.loads(files["report"].read_text())
    (told,) = report["results"]
    assert told["mean_iou"] == pytest.approx(result.metrics.mean_iou)
    assert told["mean_boundary_iou"] == pytest.approx(result.metrics.mean_boundary_iou)
    assert 0.5 < told["mean_boundary_iou"] <= told["mean_iou"]
    assert [each["boundary_iou"] for each in told["classes"]] == pytest.approx(result.metrics.boundary_iou)
    assert told["complete"] is True
    assert told["bank"]["address"] == "colours@4"
    assert told["bank"]["revision"]["number"] == 4
    assert told["settings"]["superpixels.scale"] == 50
    assert told["settings"]["k"] == 3
    assert told["models"]["clip"]["id"] == "clip-a"
    assert [each["name"] for each in told["classes"]] == list(COLOURS)
    assert sum(each["true_pixels"] for each in told["classes"]) == 2 * 32 * 32
    assert report["dataset"]["name"] == "tiny"


def test_the_bank_is_closed_and_asked_once(
    colours: ScenePictures, segmenter: Segmenter, tmp_path: Path
) -> None:
    plan = plan_freeda(colours, "colours", settings=small_settings(alpha=1.0))
    assert isinstance(segmenter.bank, FakeBank)
    assert segmenter.bank.closed
    asked = segmenter.bank.queries
    result_of(plan, tmp_path)
    assert segmenter.bank.queries == asked == len(COLOURS)


def test_several_processes_get_a_recipe_without_evidence(colours: ScenePictures) -> None:
    plan = plan_freeda(colours, "colours", settings=small_settings(), processes=2)
    assert plan.labeller is None
    assert plan.worker(2) is plan.recipe
    assert plan.recipe.prototypes.support == ()  # type: ignore[attr-defined]


def test_journals_tell_settings_and_revisions_apart(colours: ScenePictures, tmp_path: Path) -> None:
    plan = plan_freeda(colours, "colours", settings=small_settings(alpha=1.0))
    moved = replace(plan, bank={"address": "elsewhere", "revision": None})
    later = replace(plan, identity={**plan.identity, "revision": {"number": 5}})
    other = replace(plan, settings={**plan.settings, "k": 4})
    paths = []
    for each in (plan, moved, later, other):
        with each.open_journal(tmp_path) as notes:
            paths.append(notes.path)
    assert paths[0] == paths[1]
    assert len(set(paths)) == 3


class DenseFakeClip(FakeClip):
    """Patches among texts: each cell of a 4 x 4 grid is the colour name nearest to its mean."""

    def encode_dense(self, images_bhwc: Any) -> Any:
        batch, height, width, _ = images_bhwc.shape
        cells = images_bhwc.reshape(batch, 4, height // 4, 4, width // 4, 3).swapaxes(2, 3)
        flat = self.encode_images(cells.reshape(batch * 16, height // 4, width // 4, 3))
        return flat.reshape(batch, 4, 4, -1)


def test_the_baseline_labels_by_text_alone() -> None:
    classes = ClassList((ClassName(("green", "blue")), ClassName(("red",))))
    clip = DenseFakeClip()
    labeller = MaskClip(clip, MaskClipClasses.embed(clip, classes, "none"), small_settings(alpha=1.0))
    labels = labeller(striped_picture(["red", "blue"], 64, 64))
    assert labels.shape == (64, 64)
    assert (labels[:, :26] == 1).all()
    assert (labels[:, 38:] == 0).all()


def test_the_baseline_is_reported_beside_the_method(
    colours: ScenePictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_models.presets import load_preset

    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", lambda *_: DenseFakeClip())
    first = result_of(plan_freeda(colours, "colours", settings=small_settings(alpha=1.0)), tmp_path)
    second = result_of(
        plan_maskclip(colours, load_preset("tiny"), settings=small_settings(alpha=1.0)), tmp_path
    )
    files = write_evaluation(tmp_path, [first, second])
    report = json.loads(files["report"].read_text())
    assert [each["method"] for each in report["results"]] == ["freeda", "maskclip"]
    assert report["results"][1]["bank"] is None
    assert report["results"][1]["settings"]["window"] == 32
    assert report["results"][1]["mean_iou"] > 0.6
    for method in ("freeda", "maskclip"):
        with Image.open(files[method]) as picture:
            assert picture.format == "PNG"


def test_a_clip_without_patches_is_refused(colours: ScenePictures, monkeypatch: pytest.MonkeyPatch) -> None:
    from freeda_models.presets import load_preset

    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", lambda *_: FakeClip())
    plan = plan_maskclip(colours, load_preset("tiny"), settings=small_settings(alpha=1.0))
    with pytest.raises(OptionError, match="no patch features"):
        plan.recipe.make()


def test_the_matrix_shows_shares_of_rows_and_pixels_without_a_class(tmp_path: Path) -> None:
    from freeda_segment.evaluation.confusion_picture import write_confusion

    hits = Confusion(np.array([[4, 0, 0], [0, 0, 0]]))
    lost = Confusion(np.array([[0, 0, 4], [2, 2, 0]]))
    sizes = []
    for name, confusion in (("hits", hits), ("lost", lost)):
        write_confusion(tmp_path / f"{name}.png", confusion, ["a", "b"])
        with Image.open(tmp_path / f"{name}.png") as picture:
            sizes.append(picture.size)
            pixels = np.asarray(picture.convert("RGB"))
        corner = pixels[-7 - 28 * 2 + 5, -7 - 28 * (2 + (name == "lost")) + 5]
        assert tuple(corner) == ((8, 48, 107) if name == "hits" else (255, 255, 255))
    assert sizes[1][0] > sizes[0][0]


@pytest.mark.parametrize("unsure", [None, 0.5])
def test_labels_are_the_same_with_the_prototypes_that_are_sent(unsure: float | None) -> None:
    settings = small_settings(background=Background(BackgroundStrategy.BANK), alpha=1.0, unsure=unsure)
    segmenter = Segmenter(FullBank(), FakeClip(), FakeBackbone(), settings=settings)
    prototypes = segmenter.prepare("red,green")
    sent = without_evidence(prototypes)
    assert (sent.support, sent.nouns is None) == ((), unsure is None)
    picture = striped_picture(["red", "blue", "green"], 32, 96)
    picture[:, 30:40] = (200, 40, 230)
    kept, lent = [segmenter.segment(picture, each).labels for each in (prototypes, sent)]
    assert {-1, 0, 1} == set(np.unique(kept).tolist())
    np.testing.assert_array_equal(kept, lent)


def test_settings_are_those_of_the_data_set() -> None:
    base = small_settings(background=Background(BackgroundStrategy.AUTO))
    voc = dataset_settings(load_spec("voc21"), base)
    assert voc.superpixels == Felzenszwalb(100.0, 0.7, 20)
    assert voc.background == Background(threshold=0.5)
    assert (voc.window, voc.k) == (base.window, base.k)
    assert dataset_settings(load_spec("coco-stuff"), base).background is None
    assert dataset_settings(None, base) == replace(base, background=None)


def test_methods_are_read_between_commas() -> None:
    assert [each.value for each in parse_methods("maskclip, freeda,maskclip")] == ["maskclip", "freeda"]
    for wrong, told in (("sam", "unknown method 'sam'"), (" ,", "no method")):
        with pytest.raises(OptionError, match=told):
            parse_methods(wrong)


def test_pictures_whose_names_are_not_utf_8_are_counted_once(tmp_path: Path) -> None:
    write_stuff(tmp_path / "coco", 1)
    for file in (tmp_path / "coco").rglob("000000000000*"):
        file.rename(file.with_name(file.name.replace("000000000000", "caf\udce9")))
    pictures = open_dataset("coco-stuff", tmp_path / "coco")
    for calls in (1, 0):
        labeller = Counting()
        with journal(tmp_path / "out") as notes:
            run(pictures, labeller, notes)
        assert labeller.calls == calls
