"""Patches of a picture among texts: what the image tower of an open_clip model says of each place.

CLIP was trained on whole pictures, so its last block mixes what lies apart. Two ways around that are here,
both without training. MaskCLIP (Zhou et al., ECCV 2022, section 3.2) takes each token's own value in the
place of that block's attention. ProxyCLIP (Lan et al., ECCV 2024, arXiv 2408.04883: proxy attention with
adaptive normalization and masking) lets the patch features of another network, which know what belongs
together, say how much each value counts.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from freeda_models.errors import UnsupportedModelError

SHIFT = 1.2
SCALE = 3.0
"""ProxyCLIP's beta and gamma, which its authors use for every data set (their appendix B)."""


def last_block(visual: Any, name: str) -> Any:
    """The last block of a vision transformer.

    Args:
        visual: an image tower of open_clip.
        name: of the model, for the message.

    Raises:
        UnsupportedModelError: it is no such tower.
    """
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if blocks is None or visual.attn_pool is not None or visual.proj is None:
        raise UnsupportedModelError(
            f"{name} has no plain vision transformer; use a ViT of open_clip for dense features."
        )
    return blocks[-1]


def patch_values(visual: Any, states: Tensor) -> Tensor:
    """The values of the last block's patches, through its output projection: (B, h, w, C).

    Args:
        visual: an image tower that :func:`last_block` takes.
        states: (B, 1 + h * w, C), what its last block was given.
    """
    block, width = visual.transformer.resblocks[-1], states.shape[-1]
    attention = block.attn
    values = F.linear(
        block.ln_1(states), attention.in_proj_weight[2 * width :], attention.in_proj_bias[2 * width :]
    )
    projected: Tensor = attention.out_proj(values)[:, 1:].unflatten(1, tuple(visual.grid_size))
    return projected


def among_texts(visual: Any, values: Tensor) -> Tensor:
    """Values (..., C) through the final norm and CLIP's projection: float32 (..., D), L2-normalised.

    There is no residual and no MLP of the last block: both carry what belongs to the whole picture.
    """
    projected = visual.ln_post(values.to(visual.proj.dtype)) @ visual.proj
    return F.normalize(projected.float(), dim=-1)


def proxy_attention(guide: Tensor, shift: float = SHIFT, scale: float = SCALE) -> Tensor:
    """How much each patch attends to the others, by the features of another network.

    With the cosines ``s`` of all pairs of patches, ``a = scale * (s - shift * mean(s))``; pairs below zero do
    not count, and a softmax over the rest makes shares. Where a picture is so plain that nothing is above
    zero, not even a patch with itself, all pairs of that patch count.

    Args:
        guide: float32 (N, D), features of the patches of one picture.
        shift, scale: beta and gamma.

    Returns:
        float32 (N, N), rows of sum 1.
    """
    unit = F.normalize(guide, dim=-1)
    cosines = unit @ unit.T
    logits = scale * (cosines - shift * cosines.mean())
    apart = (logits < 0) & (logits >= 0).any(dim=1, keepdim=True)
    return logits.masked_fill(apart, -torch.inf).softmax(dim=1)


def guided_patches(visual: Any, states: Tensor, guides: Tensor) -> Tensor:
    """ProxyCLIP's features of each place: float32 (B, h, w, D), L2-normalised.

    The attention of all heads is the same, so it is applied to what the output projection makes of the
    values; its rows sum to 1, so that the projection's bias stays what it is.

    Args:
        visual: an image tower that :func:`last_block` takes.
        states: (B, 1 + tokens, C), what its last block was given.
        guides: float32 (B, h, w, G), features by another network of the same pictures; values are brought to
            its grid, bilinear.
    """
    height, width = guides.shape[1:3]
    values = patch_values(visual, states).float().movedim(-1, 1)
    if values.shape[2:] != (height, width):
        values = F.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    rows = [
        proxy_attention(guide.flatten(0, 1)) @ each.flatten(1).T
        for guide, each in zip(guides, values, strict=True)
    ]
    return among_texts(visual, torch.stack(rows)).view(len(guides), height, width, -1)
