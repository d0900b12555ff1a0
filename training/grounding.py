"""Token-level grounding of cross-attention (after TokenCompose, Wang et al., CVPR 2024).

Every picture of the world shows the sky, so the word "sky" tells a diffusion model nothing, and
nothing makes its attention lie there. This loss teaches what large models learn from varied
pictures: a noun's attention, as a distribution over pixels, is drawn to the noun's own pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from transformers import CLIPTokenizer

from training.world import CLASS_NAMES, GROUNDS, OBJECTS


def class_of_word() -> dict[str, int]:
    """Label of every noun that captions use."""
    words = {word: index for index, kind in enumerate(OBJECTS) for word in kind.words}
    for index, ground in enumerate(GROUNDS):
        words |= {phrase.split()[-1]: len(OBJECTS) + index for phrase in ground.phrases}
    return words | {"sky": CLASS_NAMES.index("sky")}


def noun_tokens(captions: Sequence[str], tokenizer: CLIPTokenizer) -> list[list[tuple[int, int]]]:
    """For each caption, pairs of token position and label, one for each noun that is a single token."""
    label_of_id = {}
    for word, label in class_of_word().items():
        ids = tokenizer(word, add_special_tokens=False).input_ids
        if len(ids) == 1:
            label_of_id[ids[0]] = label
    return [
        [(position, label_of_id[token]) for position, token in enumerate(ids) if token in label_of_id]
        for ids in tokenizer(list(captions)).input_ids
    ]


class CrossAttentionTap:
    """Keeps the cross-attention maps of the last forward pass, with gradients.

    Args:
        unet: its cross-attention layers get this object as their processor.
    """

    def __init__(self, unet: Any) -> None:
        self.maps: list[torch.Tensor] = []
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.set_processor(self)

    def __call__(self, attn: Any, hidden_states: Any, encoder_hidden_states: Any, **_: Any) -> torch.Tensor:
        """Attention as usual; keeps the mean over heads, (B, pixels, tokens)."""
        count = len(hidden_states)

        def heads(states: torch.Tensor) -> torch.Tensor:
            return states.view(count, -1, attn.heads, states.shape[-1] // attn.heads).transpose(1, 2)

        query = heads(attn.to_q(hidden_states))
        key, value = heads(attn.to_k(encoder_hidden_states)), heads(attn.to_v(encoder_hidden_states))
        weights = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).float().softmax(dim=-1)
        self.maps.append(weights.mean(dim=1))
        mixed = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        for layer in attn.to_out:
            mixed = layer(mixed)
        return mixed


def grounding_loss(
    maps: Sequence[torch.Tensor], labels: np.ndarray, nouns: Sequence[Sequence[tuple[int, int]]]
) -> torch.Tensor:
    """Mean divergence of each noun's attention from its own pixels, over layers and nouns.

    Args:
        maps: (B, pixels, tokens) a layer.
        labels: uint8 (B, S, S), exact label maps.
        nouns: for each picture, token position and label of its nouns; none where captions were dropped.
    """
    rows = [(picture, *noun) for picture, found in enumerate(nouns) for noun in found]
    if not rows:
        return torch.zeros(())
    picture, token, label = (torch.tensor(column) for column in zip(*rows, strict=True))
    masks = (torch.from_numpy(labels.astype(np.int64))[picture] == label[:, None, None]).float()
    losses = []
    for attention in maps:
        side = math.isqrt(attention.shape[1])
        target = F.adaptive_avg_pool2d(masks[:, None], side).flatten(1)
        shown = target.sum(dim=1) > 0.25
        target = target / target.sum(dim=1, keepdim=True).clamp(min=1e-6)
        given = attention[picture, :, token]
        given = given / given.sum(dim=1, keepdim=True).clamp(min=1e-8)
        divergence = (target * ((target + 1e-6).log() - (given + 1e-6).log())).sum(dim=1)
        losses.append(divergence[shown].mean())
    return torch.stack(losses).mean()
