"""Sharpening of attribution maps by the UNet's self-attention.

Cross-attention shows roughly where a word went; self-attention shows which places of the picture
belong together. Multiplying the map by the self-attention matrix lets places of one thing share
their attribution, as DiffSegmenter does (Wang et al., "Diffusion Model is Secretly a Training-free
Open Vocabulary Semantic Segmenter", 2023). The matrix is the one that DAAM-i2i calls image to image
attribution: the mean over heads, layers and steps. One running mean at a single, low resolution is
kept, so memory grows neither with the steps nor with the layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from freeda_models.diffusion.attribution import Listener, ListeningProcessor, attention_layers, listen
from freeda_models.errors import UnsupportedModelError
from freeda_models.protocols import FloatArray


class SelfAttentionRecorder(Listener):
    """Listens to a UNet's self-attention at one resolution while :meth:`record` is open.

    Args:
        unet: a ``UNet2DConditionModel``; the self-attention layers of its down and up blocks that
            work at ``side`` get a processor that computes what the plain one computes.
        latent: rows and columns of the latent.
        side: rows and columns of the self-attention to listen to.

    Raises:
        UnsupportedModelError: no layer works at ``side``; the message names those that there are.
    """

    def __init__(self, unet: Any, latent: int, side: int) -> None:
        found = self_attention_layers(unet, latent)
        if side not in found:
            sides = ", ".join(str(known) for known in sorted(found)) or "none"
            raise UnsupportedModelError(
                f"the UNet has no self-attention of {side} x {side} places (it has {sides}); "
                "set sharpen_side to one of them, or sharpen_power to 0."
            )
        self._count = 0
        self._heard = 0
        self._mean: Tensor | None = None
        self._listeners = [
            (layer, ListeningProcessor(self, index, layer, name))
            for index, (name, layer) in enumerate(found[side].items())
        ]
        listen(self._listeners)

    @contextmanager
    def record(self, count: int) -> Iterator[None]:
        """Listen to a batch of ``count`` pictures; call :meth:`attention` before it closes.

        Raises:
            UnsupportedModelError: a layer was given attention of another kind since.
        """
        listen(self._listeners)
        self._count, self._heard, self._mean = count, 0, None
        try:
            yield
        finally:
            self._count, self._mean = 0, None

    @override
    def add(self, layer: int, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        """Add one step of one layer: query and key (N, heads, places, d).

        With classifier-free guidance N is twice the batch and the conditional half comes last.
        """
        del layer
        if not self._count:
            return
        queries = query[-self._count :].float() * query.shape[-1] ** -0.5
        keys = key[-self._count :].float().transpose(-1, -2)
        biases = None if bias is None else bias[-self._count :].float()
        for head in range(query.shape[1]):  # one by one, for a matrix of 64 x 64 places is 67 MB
            scores = queries[:, head] @ keys[:, head]
            if biases is not None:
                scores += biases[:, head]
            matrix = scores.softmax(dim=-1)
            self._heard += 1
            self._mean = matrix if self._mean is None else self._mean.lerp_(matrix, 1 / self._heard)

    def attention(self) -> FloatArray:
        """Mean attention of each place to each other: float32 (B, places, places), rows sum to 1.

        Raises:
            UnsupportedModelError: no layer was heard.
        """
        if self._mean is None:
            raise UnsupportedModelError(
                "the self-attention that is listened to was not used while drawing; the pipeline draws with "
                "another UNet than the generator was made with: make the generator anew."
            )
        recorded: FloatArray = self._mean.cpu().numpy()
        return recorded


def self_attention_layers(unet: Any, latent: int) -> dict[int, dict[str, Any]]:
    """The self-attention layers of the down and up blocks, by the side they work at and by name.

    Args:
        unet: a ``UNet2DConditionModel``, whose every down block but the last halves the picture.
        latent: rows and columns of the latent.
    """
    sides = [latent]
    while len(sides) < len(unet.down_blocks):
        sides.append((sides[-1] + 1) // 2)
    found: dict[int, dict[str, Any]] = {}
    for name, layer in attention_layers(unet, "attn1").items():
        blocks, number = name.split(".")[:2]
        side = sides[int(number)] if blocks == "down_blocks" else sides[-1 - int(number)]
        found.setdefault(side, {})[name] = layer
    return found


def sharpen(maps_shw: FloatArray, attention: FloatArray, power: int) -> FloatArray:
    """Multiply maps by a self-attention matrix, ``power`` times.

    Each time, a place takes the mean of the map over the places it attends to.

    Args:
        maps_shw: float32 (S, h, w), >= 0, h equal to w.
        attention: float32 (P, P), rows that sum to 1, P the square of the side.
        power: how often; 0 gives the maps back.

    Returns:
        float32 (S, h, w), >= 0. Where the side is not h, maps are shrunk to it (mean over areas)
        and what comes out is enlarged again (bicubic, clamped at 0).
    """
    if power == 0 or not len(maps_shw):
        return maps_shw
    size = (maps_shw.shape[1], maps_shw.shape[2])
    side = round(len(attention) ** 0.5)
    maps = torch.from_numpy(np.ascontiguousarray(maps_shw))[None]
    if size != (side, side):
        maps = F.interpolate(maps, (side, side), mode="area")
    flat = maps[0].reshape(len(maps_shw), side * side)
    matrix = torch.from_numpy(np.ascontiguousarray(attention)).T
    for _ in range(power):
        flat = flat @ matrix
    sharp = flat.reshape(1, len(maps_shw), side, side)
    if size != (side, side):
        sharp = F.interpolate(sharp, size, mode="bicubic").clamp_(min=0)
    sharpened: FloatArray = sharp[0].numpy()
    return sharpened
