"""What the backbone is trained by: patch labels and the two losses, on made tokens."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from training.train_backbone import PATCH, PatchLabels, example_loss, name_loss, patch_labels

SCALE = torch.tensor(3.0)


def halves(tokens: torch.Tensor, truth: PatchLabels, others: torch.Tensor | None = None) -> float:
    first = torch.arange(len(tokens)) % 2 == 0
    return float(example_loss(tokens, truth, first, SCALE, others if others is not None else tokens[:0, 0]))


def test_a_patch_shares_its_label_by_pixels() -> None:
    labels = torch.full((1, 2 * PATCH, PATCH), 300)
    labels[0, :3] = 7
    truth = patch_labels(labels)
    assert truth.present.tolist() == [7, 300]
    assert torch.equal(truth.shares[0], torch.tensor([[0.75, 0.25], [0.0, 1.0]]))


@pytest.fixture
def truth() -> PatchLabels:
    """Four pictures of 16 patches: four of label 5, four of 9, the rest 300."""
    places = torch.tensor([0] * 4 + [1] * 4 + [2] * 8).expand(4, 16)
    return PatchLabels(torch.tensor([5, 9, 300]), F.one_hot(places, 3).float())


def test_tokens_that_agree_between_halves_lose_less_than_tokens_of_the_picture(truth: PatchLabels) -> None:
    generator = torch.Generator().manual_seed(0)
    by_label = truth.shares @ torch.randn(3, 32, generator=generator)
    by_picture = torch.randn(4, 1, 32, generator=generator).expand(4, 16, 32)
    assert halves(by_label, truth) < 0.05
    assert halves(by_picture, truth) > 1.0
    assert halves(by_label, truth, others=by_label[:1, 0]) > halves(by_label, truth) + 0.1


def test_a_label_of_one_half_alone_is_left_out(truth: PatchLabels) -> None:
    generator = torch.Generator().manual_seed(1)
    tokens = truth.shares @ torch.randn(3, 32, generator=generator)
    alone = truth.shares.clone()
    alone[1::2, :4] = torch.tensor([0.0, 0.0, 1.0])
    changed = PatchLabels(truth.present, alone)
    tokens[1::2, :4] = tokens[:1, -1]
    before = halves(tokens, changed)
    tokens[0::2, :4] = -tokens[0::2, :4]
    assert halves(tokens, changed) == pytest.approx(before, abs=1e-5)


def test_what_has_no_name_does_not_move_the_classifier(truth: PatchLabels) -> None:
    logits = torch.zeros(4, 16, 400, requires_grad=True)
    name_loss(logits, truth, unnamed=(5,)).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :4].any()
    assert (logits.grad[:, 4:8, 9] < 0).all()
