"""CLIP through open_clip: texts, spans of texts, pictures and patches to one space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from freeda_models.clip.files import CONFIG_FILE, clip_config, clip_files, clip_identity
from freeda_models.clip.patches import among_texts, guided_patches, last_block, patch_values
from freeda_models.errors import InputError, ModelMissingError, UnsupportedModelError
from freeda_models.foreign import blaming
from freeda_models.pixels import PixelPreparation, check_images
from freeda_models.presets import ClipSettings
from freeda_models.protocols import (
    FloatArray,
    GuidedImageEncoder,
    GuidedImages,
    ImageArray,
    ModelIdentity,
    Span,
)
from freeda_models.text.span_tokens import ClipBpeCutter, FastCutter, TokenCutter, locate_span, well_formed

TEXT_BATCH = 256
IMAGE_BATCH = 32


class OpenClipEncoder(GuidedImageEncoder):
    """A :class:`~freeda_models.protocols.GuidedImageEncoder` around an open_clip model.

    Args:
        model: an open_clip model on its device, in evaluation mode.
        tokenizer: the open_clip tokenizer that goes with it.
        pixels: how pictures are prepared.
        identity: which model this is.
        device: where the model is.
    """

    def __init__(
        self, model: Any, tokenizer: Any, pixels: PixelPreparation, identity: ModelIdentity, device: str
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._pixels, self._identity, self._device = pixels, identity, device

    @property
    @override
    def identity(self) -> ModelIdentity:
        return self._identity

    @override
    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: float32 (N, D), L2-normalised rows; a long text is cut at the window."""
        return _to_numpy(F.normalize(self._embedded(texts), dim=-1))

    @override
    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        return _to_numpy(self._embedded(texts))

    @override
    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        """Embed each text's span in its context: float32 (N, D), L2-normalised rows.

        The span's tokens are averaged after the last layer, the final norm and the projection. A
        span outside the window gives the embedding of the span's own characters.

        Raises:
            InputError: not one span per text, or a span outside its text.
            UnsupportedModelError: the text tower has no final norm to read from.
        """
        if len(texts) != len(spans):
            raise InputError(f"got {len(texts)} texts and {len(spans)} spans; give one span per text.")
        if not texts:
            return self._nothing()
        cutter, start, end, padding, window = self._window()
        room = window - len(start) - len(end)
        rows, chosen = [], []
        for text, span in zip(texts, spans, strict=True):
            ids, positions = locate_span(cutter, text, span)
            if not positions or positions[-1] >= room:
                ids, positions = tuple(cutter.ids(well_formed(text[slice(*span)]))), ()
            row = [*start, *ids[:room], *end]
            rows.append([*row, *[padding] * (window - len(row))])
            chosen.append([len(start) + position for position in positions])
        return self._pool_tokens(rows, chosen)

    @override
    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        check_images(images_bhwc)
        if not len(images_bhwc):
            return self._nothing()
        with torch.inference_mode():
            rows = [
                F.normalize(self._model.encode_image(self._prepare(part)).float(), dim=-1)
                for part in _parts(images_bhwc, IMAGE_BATCH)
            ]
        return _to_numpy(torch.cat(rows))

    def encode_dense(self, images_bhwc: ImageArray) -> FloatArray:
        """Patch features in the text space (MaskCLIP, Zhou et al., ECCV 2022, section 3.2).

        The last block's attention is replaced by its value path: each token's own value, through
        the output projection, the final norm and CLIP's projection; no residual and no MLP.

        Args:
            images_bhwc: uint8 (B, H, W, 3) RGB, resized to the model's square input.

        Returns:
            float32 (B, h, w, D), L2-normalised.

        Raises:
            UnsupportedModelError: the image tower is not a vision transformer of open_clip.
        """
        check_images(images_bhwc)
        visual = self._model.visual
        block = last_block(visual, self._identity.id)
        patches = [torch.zeros(0, *visual.grid_size, self._identity.dim)]
        with torch.inference_mode():
            for part in _parts(images_bhwc, IMAGE_BATCH):
                with _first_input(block) as seen:
                    visual(self._prepare(part))
                patches.append(among_texts(visual, patch_values(visual, seen[0])).cpu())
        return _to_numpy(torch.cat(patches))

    @override
    def encode_images_guided(self, images_bhwc: ImageArray, guides_bhwd: FloatArray) -> GuidedImages:
        """Embed pictures and their places, in one pass; see :mod:`freeda_models.clip.patches`.

        Raises:
            InputError: not one guide per picture.
            UnsupportedModelError: the image tower is not a vision transformer of open_clip.
        """
        check_images(images_bhwc)
        if guides_bhwd.ndim != 4 or len(guides_bhwd) != len(images_bhwc):
            raise InputError(
                f"got {len(images_bhwc)} pictures and guides of shape {guides_bhwd.shape}; "
                "give one grid of features per picture."
            )
        visual = self._model.visual
        block = last_block(visual, self._identity.id)
        dim = self._identity.dim
        embeddings, patches = [torch.zeros(0, dim)], [torch.zeros(0, *guides_bhwd.shape[1:3], dim)]
        with torch.inference_mode():
            parts = zip(_parts(images_bhwc, IMAGE_BATCH), _parts(guides_bhwd, IMAGE_BATCH), strict=True)
            for part, guides in parts:
                with _first_input(block) as seen:
                    whole = F.normalize(self._model.encode_image(self._prepare(part)).float(), dim=-1)
                found = guided_patches(visual, seen[0], torch.from_numpy(guides).to(self._device))
                embeddings.append(whole.cpu())
                patches.append(found.cpu())
        return GuidedImages(_to_numpy(torch.cat(embeddings)), _to_numpy(torch.cat(patches)))

    def _embedded(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros(0, self._identity.dim)
        clean = [well_formed(text) for text in texts]
        with torch.inference_mode():
            rows = [
                self._model.encode_text(self._tokenizer(part).to(self._device)).float()
                for part in _parts(clean, TEXT_BATCH)
            ]
        return torch.cat(rows)

    def _prepare(self, images_bhwc: ImageArray) -> Tensor:
        return self._pixels(images_bhwc, self._device, self._model.visual.conv1.weight.dtype)

    def _nothing(self) -> FloatArray:
        return np.zeros((0, self._identity.dim), dtype=np.float32)

    def _window(self) -> tuple[TokenCutter, list[int], list[int], int, int]:
        """The cutter, start and end tokens, the padding token, and the window's length."""
        tokenizer = self._tokenizer
        window = int(tokenizer.context_length)
        if hasattr(tokenizer, "sot_token_id"):
            return ClipBpeCutter(tokenizer), [tokenizer.sot_token_id], [tokenizer.eot_token_id], 0, window
        inner = tokenizer.tokenizer
        cutter = FastCutter(inner, tokenizer.clean_fn)
        bare, full = cutter.ids("a"), list(inner("a").input_ids)
        at = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), None)
        if at is None or tokenizer.tokenizer_mode or tokenizer.strip_sep_token:
            raise UnsupportedModelError(
                f"{self._identity.id} has a tokenizer whose special tokens are not understood; "
                "use the key strategy template_mean."
            )
        return cutter, full[:at], full[at + len(bare) :], int(inner.pad_token_id or 0), window

    def _pool_tokens(self, rows: Sequence[Sequence[int]], chosen: Sequence[Sequence[int]]) -> FloatArray:
        """Mean of the chosen positions' projected tokens; the text's own embedding where none."""
        tower = getattr(self._model, "text", self._model)
        norm, projection = getattr(tower, "ln_final", None), getattr(tower, "text_projection", None)
        if norm is None:
            raise UnsupportedModelError(
                f"{self._identity.id} has a text tower without a final norm; "
                "use the key strategy template_mean."
            )
        pooled = []
        with torch.inference_mode():
            for part, positions in zip(_parts(rows, TEXT_BATCH), _parts(chosen, TEXT_BATCH), strict=True):
                with _output(norm) as seen:
                    whole = self._model.encode_text(torch.tensor(part, device=self._device))
                for text, own, places in zip(seen[0], whole, positions, strict=True):
                    pooled.append(_project(text[list(places)].mean(0), projection) if places else own)
        return _to_numpy(F.normalize(torch.stack(pooled).float(), dim=-1))


def load_clip(settings: ClipSettings, device: str) -> OpenClipEncoder:
    """Load CLIP. Only safetensors files are read.

    Raises:
        ModelMissingError: the weights are not here and cannot be fetched.
        PresetError: an unknown open_clip name or tag.
        UnsupportedModelError: the weights exist only as a pickle.
    """
    import open_clip

    files = clip_files(settings)
    folder = files.source.fetch(files.required, files.patterns)
    name = f"local-dir:{folder}" if files.is_folder else settings.model
    config = clip_config(settings, files)
    if config is None:
        raise ModelMissingError(f"{files.source.name} has no {CONFIG_FILE}; fetch the model again.")
    with blaming(files.source.name, "be loaded"):
        model = open_clip.create_model(
            name,
            pretrained=None if files.is_folder else str(folder / files.weights_file),
            require_pretrained=True,
            weights_only=True,
            precision="fp16" if device.startswith("cuda") else "fp32",
            device=device,
        )
        tokenizer = open_clip.get_tokenizer(name)
    return OpenClipEncoder(model.eval(), tokenizer, config.pixels, clip_identity(settings), device)


def _project(token: Tensor, projection: Any) -> Tensor:
    if projection is None:
        return token
    projected: Tensor = projection(token) if isinstance(projection, torch.nn.Linear) else token @ projection
    return projected


@contextmanager
def _output(module: Any) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    hook = module.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def _first_input(module: Any) -> Iterator[list[Tensor]]:
    seen: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


def _parts(items: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _to_numpy(values: Tensor) -> FloatArray:
    array: FloatArray = values.cpu().numpy().astype(np.float32, copy=False)
    return array
