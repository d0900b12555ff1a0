"""Attribution maps of a diffusion model's text tokens (DAAM, Tang et al., ACL 2023, section 3).

Only cross-attention layers (``attn2``) of the down and up blocks are listened to, as DAAM does:
the middle block and maps 8 or more times smaller than the latent are left out. A layer keeps one
running sum over the denoising steps, for the tokens asked for alone, so memory does not grow with
the number of steps or with the length of the caption.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from freeda_models.errors import UnsupportedModelError

SMALLEST_FACTOR_SKIPPED = 8


class Listener(Protocol):
    """Receives attention maps while a picture is generated."""

    def add(self, layer: int, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        """One step of one layer: query (N, heads, pixels, d), key (N, heads, tokens, d)."""


class AttributionRecorder(Listener):
    """Listens to a UNet's cross-attention while :meth:`record` is open.

    Args:
        unet: a ``UNet2DConditionModel``; its cross-attention layers in the down and up blocks get
            a processor that computes what the plain one computes. Other layers keep theirs.

    Raises:
        UnsupportedModelError: the UNet has no such layer, or one of an unknown form.
    """

    def __init__(self, unet: Any) -> None:
        layers = cross_attention_layers(unet)
        if not layers:
            raise UnsupportedModelError(
                f"{type(unet).__name__} has no cross-attention in its down and up blocks; "
                "use a Stable Diffusion 1, 2 or XL model."
            )
        self._sums: dict[int, Tensor] = {}
        self._steps: dict[int, int] = {}
        self._token_index: Tensor | None = None
        self._heard = False
        self._latent_hw = (0, 0)
        self._listeners = [
            (layer, ListeningProcessor(self, index, layer, name))
            for index, (name, layer) in enumerate(layers.items())
        ]
        listen(self._listeners)

    @contextmanager
    def record(self, token_positions: Sequence[Sequence[int]], latent_hw: tuple[int, int]) -> Iterator[None]:
        """Listen to some tokens of each picture of a batch; call :meth:`maps` before it closes.

        Args:
            token_positions: for each picture, positions in the padded token sequence.
            latent_hw: rows and columns of the latent.

        Raises:
            UnsupportedModelError: a layer was given attention of another kind since.
        """
        width = max(map(len, token_positions), default=0)
        self._sums, self._steps, self._latent_hw = {}, {}, latent_hw
        self._heard = False
        if width:
            listen(self._listeners)
            padded = [[*positions, *[0] * (width - len(positions))] for positions in token_positions]
            self._token_index = torch.tensor(padded)
        try:
            yield
        finally:
            self._token_index, self._sums = None, {}

    @override
    def add(self, layer: int, query: Tensor, key: Tensor, bias: Tensor | None) -> None:
        """Add one step of one layer: query (N, heads, pixels, d), key (N, heads, tokens, d).

        With classifier-free guidance N is twice the batch and the conditional half comes last.
        """
        if self._token_index is None:
            return
        self._heard = True
        rows, columns = self._latent_hw
        pixels, heads = query.shape[2], query.shape[1]
        factor = math.isqrt(rows * columns // pixels)
        if factor >= SMALLEST_FACTOR_SKIPPED:
            return
        index = self._token_index = self._token_index.to(query.device)
        count, width = index.shape
        scores = query[-count:].float() @ key[-count:].float().transpose(-1, -2)
        scores *= query.shape[-1] ** -0.5
        if bias is not None:
            scores += bias[-count:].float()
        picked = index.view(count, 1, 1, width).expand(count, heads, pixels, width)
        maps = scores.softmax(dim=-1).gather(-1, picked).transpose(-1, -2)
        maps = maps.reshape(count, heads, width, *_grid(pixels, rows, columns))
        self._sums[layer] = self._sums[layer] + maps if layer in self._sums else maps
        self._steps[layer] = self._steps.get(layer, 0) + 1

    def maps(self) -> Tensor:
        """Attribution of the recorded tokens: float32 (B, tokens, h, w) at latent size, >= 0.

        Each layer's and head's map is upsampled to the latent size (bicubic, clamped at 0); the
        mean is over heads, layers and steps. Rows added as padding hold the map of position 0.

        Raises:
            UnsupportedModelError: no layer was heard.
        """
        if not self._heard:
            raise UnsupportedModelError(
                "the cross-attention that is listened to was not used while drawing; the pipeline draws with "
                "another UNet than the generator was made with: make the generator anew."
            )
        if not self._sums:
            raise UnsupportedModelError(
                "no cross-attention map was recorded; the UNet's maps are all "
                f"{SMALLEST_FACTOR_SKIPPED} or more times smaller than its latent."
            )
        total: Tensor | float = 0.0
        maps_heard = 0
        for layer, sums in self._sums.items():
            count, heads, width, *grid = sums.shape
            scaled = sums.reshape(count * heads, width, *grid) / self._steps[layer]
            upsampled = F.interpolate(scaled, self._latent_hw, mode="bicubic").clamp_(min=0)
            total = total + upsampled.view(count, heads, width, *self._latent_hw).sum(dim=1)
            maps_heard += heads
        assert isinstance(total, Tensor)
        return total / maps_heard


class ListeningProcessor:
    """Attention as diffusers' default processor computes it, handed to a recorder.

    Args:
        recorder: receives each layer's attention.
        index: the layer's number, handed to the recorder.
        layer: an ``Attention`` of diffusers.
        name: of the layer in its UNet, for messages.
    """

    def __init__(self, recorder: Listener, index: int, layer: Any, name: str) -> None:
        self.name = name
        plain = layer.group_norm is None and layer.spatial_norm is None and not layer.residual_connection
        if not plain or layer.rescale_output_factor != 1:
            raise UnsupportedModelError(
                f"the UNet's attention {name} has a form that attribution does not know; "
                "use a Stable Diffusion 1, 2 or XL model."
            )
        self._recorder, self._index = recorder, index

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Pixels (N, pixels, C) attend to text (N, tokens, C') or to themselves: (N, pixels, C)."""
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if attn.norm_cross is not None and encoder_hidden_states is not None:
            context = attn.norm_encoder_hidden_states(context)
        count, length = context.shape[:2]
        bias = None
        if attention_mask is not None:
            bias = attn.prepare_attention_mask(attention_mask, length, count)
            bias = bias.view(count, attn.heads, -1, bias.shape[-1])
        query = _split_heads(attn.to_q(hidden_states), attn.heads)
        key = _split_heads(attn.to_k(context), attn.heads)
        value = _split_heads(attn.to_v(context), attn.heads)
        if attn.norm_q is not None:
            query = attn.norm_q(query)
        if attn.norm_k is not None:
            key = attn.norm_k(key)
        self._recorder.add(self._index, query, key, bias)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed = mixed.transpose(1, 2).flatten(2).to(query.dtype)
        for step in attn.to_out:
            mixed = step(mixed)
        return mixed


PLAIN_PROCESSORS = frozenset(
    {
        *("AttnProcessor", "AttnProcessor2_0", "FusedAttnProcessor2_0"),
        *("SlicedAttnProcessor", "XFormersAttnProcessor", "ListeningProcessor"),
    }
)
"""Ways to compute the same attention, which a listening processor may stand in for."""


def listen(listeners: Sequence[tuple[Any, ListeningProcessor]]) -> None:
    """Put a listening processor into each layer, also where another was put since.

    One that computes the same attention is replaced. One that does not, such as an IP-Adapter's, is left
    alone: without it another picture would be drawn.

    Raises:
        UnsupportedModelError: names the layer and its processor.
    """
    for layer, listener in listeners:
        kind = type(layer.processor).__name__
        if kind not in PLAIN_PROCESSORS:
            raise UnsupportedModelError(
                f"the UNet's attention {listener.name} is computed by {kind}, which attribution cannot "
                "listen to; take adapters and custom attention processors out of the pipeline "
                "(pipeline.unload_ip_adapter(), or unet.set_default_attn_processor())."
            )
    for layer, listener in listeners:
        if layer.processor is not listener:
            layer.set_processor(listener)


def cross_attention_layers(unet: Any) -> dict[str, Any]:
    """The cross-attention layers of the down and up blocks by name, in their order."""
    return attention_layers(unet, "attn2")


def attention_layers(unet: Any, kind: str) -> dict[str, Any]:
    """The attention layers of the down and up blocks by name: ``attn1`` to itself, ``attn2`` to the text."""
    return {
        f"{blocks}.{name}": module
        for blocks in ("down_blocks", "up_blocks")
        for name, module in getattr(unet, blocks).named_modules()
        if name.rpartition(".")[2] == kind
    }


def _split_heads(states: Tensor, heads: int) -> Tensor:
    count, length, _ = states.shape
    return states.view(count, length, heads, -1).transpose(1, 2)


def _grid(pixels: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of a layer whose latent has the given ones; halves are rounded up."""
    while rows * columns > pixels:
        rows, columns = (rows + 1) // 2, (columns + 1) // 2
    if rows * columns != pixels:
        raise UnsupportedModelError(
            f"an attention map of {pixels} pixels does not fit the latent; use a size divisible by 64."
        )
    return rows, columns
