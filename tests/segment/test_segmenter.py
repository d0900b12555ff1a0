from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from segment_fakes import (
    COLOURS,
    FakeBackbone,
    FakeBank,
    FakeClip,
    colour_generation,
    fake_manifest,
    save,
    small_settings,
    striped_picture,
)

from freeda_models.presets import load_preset
from freeda_segment.errors import ClassesError, ImageError, ModelOutputError, OptionError
from freeda_segment.evaluation.datasets import Scenes
from freeda_segment.evaluation.evaluate import evaluate_scenes
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.pixels.refinement import Pamr, RandomWalk
from freeda_segment.regions.providers import GivenRegions
from freeda_segment.regions.superpixels import ALGORITHMS, parse_superpixels
from freeda_segment.segmenter import Segmenter, open_segmenter
from freeda_store import Bank, parse_filter
from freeda_store.errors import BankMissingError, ManifestMismatchError


def agreement(segmentation: Any, names: Any) -> float:
    width = segmentation.size_hw[1]
    truth = np.arange(width) * len(names) // width
    found = np.array(segmentation.class_names, dtype=object)[segmentation.labels]
    return float((found == np.array(names, dtype=object)[truth]).mean())


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_colours_are_found_with_every_algorithm(segmenter: Segmenter, algorithm: str) -> None:
    chosen = segmenter.with_settings(superpixels=parse_superpixels(algorithm))
    made = chosen.segment(striped_picture(["red", "blue", "green"], 60, 90), "blue,green,red,yellow")
    assert agreement(made, ["red", "blue", "green"]) > 0.9
    assert made.labels.dtype == np.int16


@pytest.mark.parametrize("size", [(1, 1), (1, 400), (400, 1), (7, 900), (333, 50), (64, 64)])
def test_pictures_of_any_size(segmenter: Segmenter, size: tuple[int, int]) -> None:
    made = segmenter.segment(np.full((*size, 3), COLOURS["green"], np.uint8), "red,green")
    assert made.labels.shape == size
    assert (made.labels == 1).all()
    assert made.shares[1].area == 1
    assert made.region_map.min() >= 0


def test_refinement_keeps_what_is_found(segmenter: Segmenter) -> None:
    made = segmenter.with_settings(refinement=Pamr(3, (1, 2))).segment(
        striped_picture(["red", "blue"], 40, 60), "red,blue"
    )
    assert agreement(made, ["red", "blue"]) > 0.95


def test_a_walk_keeps_what_is_found(segmenter: Segmenter) -> None:
    walked = segmenter.with_settings(refinement=RandomWalk())
    made = walked.segment(striped_picture(["red", "blue"], 50, 70), "red,blue")
    assert agreement(made, ["red", "blue"]) > 0.95
    assert str(made.provenance.settings["refinement"]).startswith("walk step=3.0")


def test_a_walk_leaves_the_borders_of_given_regions(segmenter: Segmenter) -> None:
    picture = striped_picture(["red", "blue"], 32, 32)
    regions = (np.arange(32) >= 12)[None].repeat(32, 0).astype(np.int32)
    made = (
        segmenter.with_settings(refinement=RandomWalk(iterations=10, dilations=(1, 2, 4)))
        .with_regions(GivenRegions(regions))
        .segment(picture, "red,blue")
    )
    np.testing.assert_array_equal(made.labels, made.labels[0, regions * 31])
    assert len(np.unique(made.labels)) == 2


def test_background_is_what_no_class_resembles(segmenter: Segmenter) -> None:
    chosen = segmenter.with_settings(background=Background(BackgroundStrategy.LOCAL, 0.6))
    made = chosen.segment(striped_picture(["red", "blue"], 32, 64), "red")
    assert made.background_area == pytest.approx(0.5, abs=0.05)
    assert made.mask("red")[:, :28].all()
    assert (made.labels[:, 36:] == -1).all()


def test_the_steps_may_be_held_apart(segmenter: Segmenter, tmp_path: Path) -> None:
    picture = striped_picture(["red", "blue"], 50, 70)
    encoded = segmenter.encode(save(tmp_path / "a.png", picture))
    first = segmenter.label(encoded, segmenter.prepare("red,blue"))
    second = segmenter.label(encoded, segmenter.prepare(["blue", "green"]))
    assert (first.labels == segmenter.segment(picture, "red,blue").labels).all()
    assert agreement(first, ["red", "blue"]) > 0.95
    assert second.mask("blue")[:, 40:].all()
    assert (segmenter.encode(Image.fromarray(picture)).working == encoded.working).all()


def test_regions_can_be_looked_up(segmenter: Segmenter) -> None:
    made = segmenter.segment(striped_picture(["red", "blue"], 64, 160), "red,blue")
    assert len(made.request.windows) > 1
    place = made.region_at(x=150, y=10)
    window = made.request.windows[place.window]
    assert window.regions[place.label].argmax() == 1
    assert made.region_at(0, 0) != place
    merged = made.region_map
    assert merged.shape == (32, 80)
    assert merged.max() < sum(len(each.covered) for each in made.request.windows)
    with pytest.raises(OptionError, match="160,0 lies outside the picture of 160 x 64"):
        made.region_at(160, 0)


def test_support_tells_which_prototypes_spoke(segmenter: Segmenter) -> None:
    made = segmenter.segment(striped_picture(["red"], 20, 20), "red,blue", keep_evidence=True)
    assert made.evidence is not None
    assert {info.noun for info in made.evidence.prototypes.support[0][0].infos} == {"red"}
    assert made.provenance.revision == 4


def test_500_classes(segmenter: Segmenter) -> None:
    names = [*(f"thing{index}" for index in range(498)), "red", "blue"]
    made = segmenter.segment(striped_picture(["red", "blue"], 40, 60), names)
    assert agreement(made, ["red", "blue"]) > 0.5
    assert len(made.shares) == 500


def test_unknown_words_get_a_note() -> None:
    preset = load_preset("tiny")
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings(), preset=preset)
    made = segmenter.segment(striped_picture(["red"], 20, 20), "red car,Zeppelin,red car")
    assert len(made.notes) == 2
    assert "'red car' was given more than once" in made.notes[0]
    assert "preset 'tiny' does not know 'Zeppelin'" in made.notes[1]
    assert "sd21" in made.notes[1]


def test_no_class_is_an_error(segmenter: Segmenter) -> None:
    with pytest.raises(ClassesError):
        segmenter.segment(striped_picture(["red"], 20, 20), "")


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_that_are_no_pictures_are_refused(segmenter: Segmenter, picture: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"uint8 \(H, W, 3\)"):
        segmenter.encode(picture)


def test_features_that_are_not_numbers_are_refused() -> None:
    broken = Segmenter(FakeBank(), FakeClip(), FakeBackbone(spoil=np.nan), settings=small_settings())
    with pytest.raises(ModelOutputError, match="backbone model dino-a"):
        broken.encode(striped_picture(["red"], 20, 20))


def test_scenes_are_measured(segmenter: Segmenter) -> None:
    pictures = [["red", "blue"], ["green", "red"]]
    index = {name: number for number, name in enumerate(COLOURS)}
    labels = [np.repeat([[index[left]] * 16 + [index[right]] * 16], 32, 0) for left, right in pictures]
    scenes = Scenes(
        np.stack([striped_picture(names, 32, 32) for names in pictures]),
        np.stack(labels).astype(np.uint8),
        tuple(COLOURS),
        ("", ""),
    )
    metrics = evaluate_scenes(segmenter, scenes)
    assert metrics.mean_iou > 0.9
    assert np.isnan(metrics.iou[index["yellow"]])
    assert evaluate_scenes(segmenter, scenes, limit=1).pixel_accuracy > 0.9


@pytest.fixture
def real_bank(tmp_path: Path) -> Path:
    address = tmp_path / "bank"
    with Bank.open(address, create=fake_manifest()) as bank, bank.write("colours", "run") as writer:
        writer.add([colour_generation(name, number) for name in COLOURS for number in range(3)])
        writer.commit()
    return address


@pytest.fixture
def fake_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = FakeClip()
    monkeypatch.setattr("freeda_models.loading.load_text_image_encoder", lambda preset, device: clip)
    monkeypatch.setattr("freeda_models.loading.load_backbone", lambda preset, device: FakeBackbone())
    monkeypatch.setattr("freeda_models.loading.load_key_encoder", lambda preset, device, clip: clip)


def test_a_real_bank(real_bank: Path, fake_loading: Any) -> None:
    with open_segmenter(real_bank, settings=small_settings()) as segmenter:
        made = segmenter.segment(striped_picture(["red", "green"], 40, 60), "green,red")
        assert agreement(made, ["red", "green"]) > 0.95
        assert made.provenance.bank == str(real_bank)
        assert made.provenance.revision == 1
        assert segmenter.prepare("green,red").support[1][0].infos[0].caption.startswith("a red thing")
        filtered = segmenter.with_settings(where=parse_filter(["noun=green"]), k=50)
        assert {each.noun for each in filtered.prepare("red").support[0][0].infos} == {"green"}
    with open_segmenter(f"{real_bank}@1") as segmenter:
        assert segmenter.settings.window == load_preset("tiny").segment.window
    changed = load_preset("tiny")
    segment: Any = changed.segment
    changed = changed.model_copy(update={"segment": segment.model_copy(update={"alpha": 0.25})})
    with open_segmenter(real_bank, preset=changed) as segmenter:
        assert segmenter.settings.alpha == 0.25


def test_other_models_than_the_banks_are_refused_and_the_bank_let_go(
    real_bank: Path, fake_loading: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = FakeBackbone()
    monkeypatch.setattr(FakeBackbone, "identity", property(lambda self: FakeClip("dino-b", 3).identity))
    monkeypatch.setattr("freeda_models.loading.load_backbone", lambda preset, device: other)
    with pytest.raises(ManifestMismatchError, match=r"dino-a.*dino-b"):
        open_segmenter(real_bank)
    Bank.open(real_bank).close()


def test_a_missing_bank_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BankMissingError):
        open_segmenter(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"superpixels": parse_superpixels("none")},
            "encoded picture was made with superpixels = Felz.*NoSuper",
        ),
        ({"stride": 8}, "encoded picture was made with stride"),
        ({"k": 1}, "prepared classes was made with k = "),
        ({"templates": "single"}, "prepared classes was made with templates = None, .* has single"),
    ],
)
def test_what_was_made_with_other_settings_is_not_labelled_under_their_name(
    changes: dict[str, Any], message: str
) -> None:
    made = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
    encoded = made.encode(striped_picture(["red", "blue"], 40, 60))
    prepared = made.prepare("red,blue")
    with pytest.raises(OptionError, match=message):
        made.with_settings(**changes).label(encoded, prepared)
    other = made.with_settings(alpha=0.5, batch_size=2, background=Background(), refinement=Pamr(1, (1,)))
    assert other.label(encoded, prepared).provenance.settings["alpha"] == 0.5


def test_templates_of_a_newer_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBank, "manifest", property(lambda self: fake_manifest(templates="new")))
    with pytest.raises(OptionError, match="templates 'new' are unknown"):
        Segmenter(FakeBank(), FakeClip(), FakeBackbone())


IMPORTS = """
import sys
import freeda_segment.segmenter, freeda_segment.outputs, freeda_segment.evaluation.evaluate
heavy = set("torch diffusers transformers open_clip spacy alembic sqlalchemy skimage scipy".split())
sys.exit(", ".join(sorted(heavy & set(sys.modules))) or None)
"""


def test_importing_the_package_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
