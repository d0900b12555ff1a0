"""Mask proposals: against transformers' own answers on random networks, and by hand on made-up masks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from freeda_models.errors import InputError, ModelMissingError, UnsupportedModelError
from freeda_models.presets import RegionNetworkSettings
from freeda_models.protocols import MaskProposals, MaskProposer, ModelIdentity, PromptedProposer
from freeda_models.regions.files import check_region_files, region_identity
from freeda_models.regions.options import EdgeTamOptions, EomtOptions, Sam2Options, region_options
from freeda_models.regions.points import PointProposer
from freeda_models.regions.proposer import load_proposer
from freeda_models.regions.queries import settle

EVERYTHING = Sam2Options(
    points_per_side=3,
    points_per_batch=2,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    box_nms_thresh=1,
    max_area=1,
)
OPTIONS: dict[str, Any] = {
    "sam2": EVERYTHING,
    "edgetam": EdgeTamOptions(**{name: getattr(EVERYTHING, name) for name in vars(EVERYTHING)}),
    "eomt": EomtOptions(threshold=0, overlap_mask_area_threshold=0),
}
NETWORKS = {"sam2": "Sam2Model", "edgetam": "EdgeTamModel"}


def picture(height: int = 90, width: int = 120) -> Any:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_masks_at_points_are_the_networks_own(name: str, region_settings: Any) -> None:
    """Asked through transformers' processor for nine points, the network gives the same masks."""
    settings = region_settings(name)
    proposer = load_proposer(settings, OPTIONS[name], "cpu")
    assert isinstance(proposer, MaskProposer)
    found = proposer.propose(picture())
    model = getattr(transformers, NETWORKS[name]).from_pretrained(settings.model).eval()
    processor = transformers.Sam2Processor(
        transformers.Sam2ImageProcessor(size={"height": 128, "width": 128}), target_size=128
    )
    middles = [[[[x, y]] for y in (15, 45, 75) for x in (20, 60, 100)]]
    inputs = processor(picture(), input_points=middles, return_tensors="pt")
    inputs.pop("original_sizes")
    with torch.inference_mode():
        answer = model(**inputs)
    expected = answer.pred_masks.flatten(0, 2).clamp(-60, 60).numpy()
    quality = answer.iou_scores.flatten().clamp(0, 1).numpy()
    present = (expected > 0).any(axis=(1, 2))
    assert len(found) == present.sum() > 12
    assert found.extent_hw == (32, 32)
    assert (np.diff(found.quality) <= 0).all()
    assert holds(found, expected[present], quality[present])


def holds(found: MaskProposals, masks: Any, quality: Any) -> bool:
    """Whether each of some masks is among those found, but for logits that rounding may lift over 0."""
    for mask, rated in zip(masks, quality, strict=True):
        differs = ((found.logits_nhw > 0) != (mask > 0)) & (np.abs(mask) > 0.1)
        if not (~differs.any(axis=(1, 2)) & (np.abs(found.quality - rated) < 1e-3)).any():
            return False
    return True


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_batches_change_nothing_and_the_picture_is_encoded_once(name: str, region_settings: Any) -> None:
    settings = region_settings(name)
    calls: list[int] = []
    found = []
    for batch in (1, 4, 100):
        proposer: Any = load_proposer(settings, replace(OPTIONS[name], points_per_batch=batch), "cpu")
        encode = proposer._model.get_image_embeddings

        def counting(*arguments: Any, encode: Any = encode) -> Any:
            calls.append(1)
            return encode(*arguments)

        proposer._model.get_image_embeddings = counting
        found.append(proposer.propose(picture()))
    assert len(calls) == 3
    for other in found[1:]:
        assert len(other) == len(found[0])
        assert holds(found[0], other.logits_nhw.astype(np.float32), other.quality)


@pytest.mark.parametrize("multimask", [0, 1])
def test_one_mask_or_three_per_point(multimask: int, region_settings: Any) -> None:
    options = replace(EVERYTHING, points_per_side=1, multimask_output=multimask)
    found = load_proposer(region_settings("sam2"), options, "cpu").propose(picture())
    assert (len(found) > 1) == bool(multimask)
    assert 1 <= len(found) <= 3


def test_what_the_hub_holds_of_sam_2_is_a_video_model(region_settings: Any, capfd: Any) -> None:
    proposer = load_proposer(region_settings("sam2_video"), EVERYTHING, "cpu")
    assert len(proposer.propose(picture())) > 0
    said = capfd.readouterr()
    assert "sam2_video" not in said.out + said.err


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_half_precision_as_on_a_gpu(name: str, region_settings: Any) -> None:
    proposer: Any = load_proposer(region_settings(name), OPTIONS[name], "cpu")
    whole = proposer.propose(picture())
    proposer._model.half()
    half = proposer.propose(picture())
    assert half.logits_nhw.shape[1:] == whole.logits_nhw.shape[1:]
    assert len(half) > 0


def test_queries_keep_the_pictures_aspect(region_settings: Any) -> None:
    proposer = load_proposer(region_settings("eomt"), OPTIONS["eomt"], "cpu")
    found = proposer.propose(picture(60, 120))
    assert found.extent_hw == (8, 16)
    assert found.logits_nhw.shape == (len(found), 8, 16)
    assert len(found) > 1
    assert ((found.logits_nhw > 0).sum(axis=0) <= 1).all()
    upright = proposer.propose(picture(100, 33))
    assert upright.extent_hw == (16, pytest.approx(16 * 21 / 64))
    assert upright.logits_nhw.shape[1:] == (16, 6)


@given(
    st.integers(1, 6),
    st.integers(0, 2**31),
    st.floats(0.25, 0.75, width=32),
    st.floats(0, 1, width=32),
)
def test_pixels_go_to_queries_as_in_transformers(
    queries: int, seed: int, threshold: float, overlap: float
) -> None:
    from transformers.models.eomt.image_processing_eomt import compute_segments

    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(queries, 4, 5, generator=generator) * 3
    certainty = torch.rand(queries, generator=generator) * 0.8 + 0.1
    theirs, segments = compute_segments(
        logits, certainty, torch.arange(queries), None, threshold, overlap, (4, 5)
    )
    options = EomtOptions(mask_threshold=threshold, overlap_mask_area_threshold=overlap)
    masks, kept = settle(logits, certainty, options)
    assert kept.tolist() == [segment["label_id"] for segment in segments]
    ours = torch.where((masks > 0).any(0), (masks > 0).int().argmax(0), -1) if len(masks) else theirs * 0 - 1
    assert torch.equal(ours, theirs)


class FakeNetwork:
    """Answers each point with masks made by hand: one per point, with a quality."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, masks: list[tuple[Any, float]]) -> None:
        self.masks = masks

    def get_image_embeddings(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return [torch.zeros(1, 1, 8, 8)]

    def __call__(self, input_points: torch.Tensor, **_: Any) -> Any:
        places = (input_points[0, :, 0] / 16).floor().long()  # two points a side on 32 pixels
        chosen = [self.masks[int(y * 2 + x)] for x, y in places.tolist()]
        logits = torch.stack([torch.as_tensor(mask, dtype=torch.float32) for mask, _ in chosen])
        return SimpleNamespace(
            iou_scores=torch.tensor([[quality] for _, quality in chosen])[None],
            pred_masks=logits[None, :, None],
        )


def square(top: int, left: int, side: int, inside: float = 9.0, outside: float = -9.0) -> Any:
    mask = np.full((8, 8), outside)
    mask[top : top + side, left : left + side] = inside
    return mask


def proposed(masks: list[tuple[Any, float]], **options: Any) -> list[float]:
    """The qualities of what is kept of four masks."""
    network = FakeNetwork(masks)
    identity = ModelIdentity("fake", "", "", 0, "")
    processor = transformers.Sam2ImageProcessor(size={"height": 32, "width": 32})
    chosen = Sam2Options(points_per_side=2, **options)
    found = PointProposer(network, processor, identity, chosen).propose(picture())
    assert ((found.logits_nhw > 0).sum(axis=(1, 2)) > 0).all()
    return [round(float(each), 2) for each in found.quality]


def test_near_duplicates_and_poor_masks_are_dropped() -> None:
    masks = [(square(0, 0, 4), 0.9), (square(0, 0, 4), 0.95), (square(4, 4, 3), 0.85), (square(0, 4, 3), 0.7)]
    assert proposed(masks) == [0.95, 0.85]
    assert proposed(masks, pred_iou_thresh=0.6) == [0.95, 0.85, 0.7]
    assert proposed(masks, box_nms_thresh=1) == [0.95, 0.9, 0.85]


def test_masks_that_hang_on_the_threshold_are_dropped() -> None:
    shaky = square(0, 0, 4, outside=-0.5)
    masks = [(shaky, 0.9), (square(4, 4, 3), 0.9), (square(0, 5, 2), 0.85), (square(5, 0, 2), 0.84)]
    assert len(proposed(masks)) == 3
    assert len(proposed(masks, stability_score_thresh=0.2)) == 4


def test_empty_masks_and_one_that_covers_all_are_dropped() -> None:
    masks = [(square(0, 0, 0), 0.9), (square(0, 0, 8), 0.99), (square(4, 4, 3), 0.9), (square(0, 0, 2), 0.85)]
    assert proposed(masks) == [0.9, 0.85]
    assert proposed(masks, max_area=1) == [0.99, 0.9, 0.85]
    assert proposed([(square(0, 0, 0), 0.9)] * 4) == []


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_identity_is_known_without_loading(name: str, region_settings: Any) -> None:
    settings = region_settings(name)
    known = region_identity(name, settings)
    assert known == load_proposer(settings, OPTIONS[name], "cpu").identity
    assert known.id == Path(settings.model).name
    assert len(known.sha256) == 64
    assert known.preprocessing == f"{64 if name == 'eomt' else 128}px bilinear imagenet"


def test_a_model_of_another_kind_is_refused(region_settings: Any, tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"of type 'eomt'.*by sam2 it must be one of sam2, sam2_video"
    ):
        load_proposer(region_settings("eomt"), EVERYTHING, "cpu")
    shutil.copytree(region_settings("eomt").model, tmp_path / "mixed")
    config = json.loads((tmp_path / "mixed/config.json").read_text())
    (tmp_path / "mixed/config.json").write_text(json.dumps(config | {"model_type": "sam2"}))
    with pytest.raises(UnsupportedModelError, match="has no tensor 'mask_decoder"):
        check_region_files("sam2", RegionNetworkSettings(model=str(tmp_path / "mixed")), tmp_path / "mixed")


def test_missing_and_broken_files_are_named(region_settings: Any, tmp_path: Path) -> None:
    shutil.copytree(region_settings("sam2").model, tmp_path / "sam2")
    settings = RegionNetworkSettings(model=str(tmp_path / "sam2"))
    weights = tmp_path / "sam2/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnsupportedModelError, match="no whole safetensors file"):
        load_proposer(settings, EVERYTHING, "cpu")
    weights.rename(tmp_path / "sam2/pytorch_model.bin")
    with pytest.raises(ModelMissingError, match=r"lacks model\.safetensors"):
        load_proposer(settings, EVERYTHING, "cpu")


def test_pictures_of_another_form_are_refused(region_settings: Any) -> None:
    proposer = load_proposer(region_settings("sam2"), EVERYTHING, "cpu")
    with pytest.raises(InputError, match="uint8"):
        proposer.propose(picture().astype(np.float32))


def test_options_are_read_and_checked() -> None:
    assert region_options("edgetam", {"points_per_side": 8.0}) == EdgeTamOptions(points_per_side=8)
    assert Sam2Options(points_per_batch=1) == Sam2Options()
    assert Sam2Options() != EdgeTamOptions()
    for name, numbers, told in (
        ("sam3", {}, "choose one of sam2, edgetam, eomt"),
        ("eomt", {"points_per_side": 8}, "eomt has no option 'points_per_side'"),
        ("sam2", {"points_per_side": 1.5}, "points_per_side is 1.5; expected a whole number"),
        ("sam2", {"pred_iou_thresh": 2}, "at most 1"),
    ):
        with pytest.raises(ValueError, match=told):
            region_options(name, numbers)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_point_or_a_box_is_the_networks_own(name: str, region_settings: Any) -> None:
    """Asked through transformers' processor, the network gives the same mask, at the picture's size."""
    settings = region_settings(name)
    proposer = load_proposer(settings, OPTIONS[name], "cpu")
    assert isinstance(proposer, PromptedProposer)
    model = getattr(transformers, NETWORKS[name]).from_pretrained(settings.model).eval()
    processor = transformers.Sam2Processor(
        transformers.Sam2ImageProcessor(size={"height": 128, "width": 128}), target_size=128
    )
    asked: dict[str, tuple[Any, Any, bool]] = {
        "point": (proposer.at_point(picture(), (40, 30)), {"input_points": [[[[40.5, 30.5]]]]}, True),
        "box": (proposer.in_box(picture(), (20, 10, 79, 59)), {"input_boxes": [[[20, 10, 80, 60]]]}, False),
    }
    for what, (found, prompts, several) in asked.items():
        inputs = processor(picture(), return_tensors="pt", **prompts)
        sizes = inputs.pop("original_sizes")
        with torch.inference_mode():
            answer = model(**inputs, multimask_output=several)
        masks = processor.post_process_masks(answer.pred_masks, sizes, binarize=False)[0][0]
        best = masks[int(answer.iou_scores.flatten().argmax())].numpy()
        assert found.shape == (90, 120)
        unlike = (found != (best > 0)) & (np.abs(best) > 1e-3)
        assert not unlike.any(), what


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_picture_is_encoded_once_for_all_that_is_asked_of_it(
    name: str, region_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposer: Any = load_proposer(region_settings(name), OPTIONS[name], "cpu")
    encode, calls = proposer._model.get_image_embeddings, []

    def counted(pixels: torch.Tensor) -> Any:
        calls.append(pixels)
        return encode(pixels)

    monkeypatch.setattr(proposer._model, "get_image_embeddings", counted)
    one, other = picture(), picture(100, 33)
    found = [
        proposer.at_point(one, (40, 30)),
        proposer.at_point(one, (5, 5)),
        proposer.in_box(one, (2, 1, 7, 5)),
    ]
    assert len(calls) == 1
    assert proposer.at_point(other, (4, 3)).shape == (100, 33)
    again = [
        proposer.at_point(one.copy(), (40, 30)),
        proposer.at_point(one.copy(), (5, 5)),
        proposer.in_box(one.copy(), (2, 1, 7, 5)),
    ]
    assert len(calls) == 5
    for before, after in zip(found, again, strict=True):
        np.testing.assert_array_equal(before, after)
