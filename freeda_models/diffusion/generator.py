"""Stable Diffusion 1, 2 and XL through diffusers, drawing captions with attribution maps."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from typing_extensions import override

from freeda_models.devices import compute_dtype
from freeda_models.diffusion.attribution import AttributionRecorder
from freeda_models.diffusion.files import generator_files, generator_identity, generator_patterns
from freeda_models.diffusion.fit import check_generator_files
from freeda_models.diffusion.inversions import drawn_prompt
from freeda_models.diffusion.self_attention import SelfAttentionRecorder, sharpen
from freeda_models.foreign import blaming
from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import (
    BoolArray,
    FloatArray,
    GeneratedImage,
    GenerationRequest,
    ImageGenerator,
    ModelIdentity,
)
from freeda_models.quiet import quiet_loading, without_truncation_warnings
from freeda_models.text.span_tokens import FastCutter, check_span, locate_span, well_formed
from freeda_models.weights import model_source

logger = logging.getLogger(__name__)

PIPELINES: Mapping[str, str] = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
PIPELINE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "sd": {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    "sdxl": {"add_watermarker": False},
}
SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "ddim": ("DDIMScheduler", {"clip_sample": False}),
    "euler": ("EulerDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {"clip_sample": False}),
}


class DiffusionGenerator(ImageGenerator):
    """An :class:`~freeda_models.protocols.ImageGenerator` around a diffusers pipeline.

    Args:
        pipeline: a StableDiffusionPipeline or StableDiffusionXLPipeline, on its device. Its
            scheduler is replaced by the settings' one, and its UNet is listened to.
        settings: steps, guidance, scheduler and size.
        identity: which model this is.
    """

    def __init__(self, pipeline: Any, settings: GeneratorSettings, identity: ModelIdentity) -> None:
        import diffusers

        scheduler, options = SCHEDULERS[settings.scheduler]
        with blaming(identity.id, "be drawn with"):
            pipeline.scheduler = getattr(diffusers, scheduler).from_config(
                pipeline.scheduler.config, **options
            )
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline, self._settings, self._identity = pipeline, settings, identity
        self._recorder = AttributionRecorder(pipeline.unet)
        self._places = _self_attention(pipeline, settings) if settings.sharpen_power else None
        self._cutter = FastCutter(pipeline.tokenizer)

    @property
    @override
    def identity(self) -> ModelIdentity:
        return self._identity

    @property
    def offload(self) -> str:
        """``model`` when only the network at work is on the device, otherwise ``none``."""
        return self._settings.offload

    @override
    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw one batch; each picture's noise comes from its own seed.

        A picture with pixels that are not numbers comes back black, with its flaw named.

        Raises:
            InputError: a span does not lie in its caption.
            UnsupportedModelError: the attention that attribution listens to was replaced by one of
                another kind, two tokenizers know different textual inversions, or the networks fail.
        """
        if not requests:
            return []
        spans = [self._span_positions(request) for request in requests]
        asked = [sorted({position for span in picture for position in span}) for picture in spans]
        size = self._settings.image_size
        latent = size // self._pipeline.vae_scale_factor
        with (
            torch.inference_mode(),
            without_truncation_warnings(),
            self._recorder.record(asked, (latent, latent)),
            self._places.record(len(requests)) if self._places else nullcontext(),
            blaming(self._identity.id, "draw"),
        ):
            drawn = self._pipeline(
                prompt=[well_formed(request.caption) for request in requests],
                height=size,
                width=size,
                num_inference_steps=self._settings.steps,
                guidance_scale=self._settings.guidance,
                generator=[torch.Generator("cpu").manual_seed(request.seed) for request in requests],
                output_type="np",
            ).images
            tokens = self._recorder.maps().cpu().numpy() if any(asked) else None
            places = self._places.attention() if self._places else None
        finite = np.isfinite(drawn).all(axis=(1, 2, 3))
        images = (np.where(finite[:, None, None, None], drawn, 0) * 255).round().astype(np.uint8)
        results = []
        for index, picture in enumerate(spans):
            maps = None if tokens is None else tokens[index]
            attribution, inside = _word_maps(picture, asked[index], maps, latent)
            if places is not None:
                attribution = sharpen(attribution, places[index], self._settings.sharpen_power)
            flaw = "" if finite[index] else f"pixels that are not numbers in {self._pipeline.unet.dtype}"
            results.append(GeneratedImage(images[index], attribution, inside, flaw))
        return results

    def _span_positions(self, request: GenerationRequest) -> list[tuple[int, ...]]:
        """Positions of each span's tokens in the padded sequence; empty outside the window.

        The text encoder sees a start token, then as many tokens as fit, then an end token.
        """
        for span in request.spans:
            check_span(request.caption, span)
        prompt = drawn_prompt(self._pipeline, well_formed(request.caption))
        if prompt is None:
            logger.warning("textual inversions overlap in '%s'; its nouns get no map", request.caption)
            return [() for _ in request.spans]
        last = self._pipeline.tokenizer.model_max_length - 2
        found = []
        for span in request.spans:
            located = locate_span(self._cutter, prompt.text, prompt.span(span))
            positions = tuple(position + 1 for position in located.positions)
            found.append(positions if all(position <= last for position in positions) else ())
        return found


def load_generator(settings: GeneratorSettings, device: str) -> DiffusionGenerator:
    """Load a generator from its bundled folder, the user's folder or the hub.

    Raises:
        ModelMissingError: the weights are not here and cannot be fetched.
        UnsupportedModelError: the UNet has no cross-attention to listen to, or no self-attention
            of the size that sharpening asks for.
    """
    return DiffusionGenerator(load_pipeline(settings, device), settings, generator_identity(settings))


def load_pipeline(settings: GeneratorSettings, device: str) -> Any:
    """The diffusers pipeline of a generator, on its device, as it comes.

    Raises:
        ModelMissingError: the weights are not here and cannot be fetched.
        UnsupportedModelError: the networks do not fit each other or the settings, or cannot be loaded.
    """
    import diffusers

    source = model_source(settings.model, settings.revision)
    folder = source.fetch(generator_files(settings), generator_patterns(settings))
    check_generator_files(settings, folder)
    with blaming(source.name, "be loaded"), quiet_loading("diffusers", "transformers"):
        pipeline = getattr(diffusers, PIPELINES[settings.family]).from_pretrained(
            folder,
            dtype=compute_dtype(device),
            variant=settings.variant or None,
            use_safetensors=True,
            local_files_only=True,
            **PIPELINE_OPTIONS[settings.family],
        )
        if settings.offload != "model":
            return pipeline.to(device)
        pipeline.enable_model_cpu_offload(device=device)
        return pipeline


def _self_attention(pipeline: Any, settings: GeneratorSettings) -> SelfAttentionRecorder:
    latent = settings.image_size // pipeline.vae_scale_factor
    return SelfAttentionRecorder(pipeline.unet, latent, settings.sharpen_side)


def _word_maps(
    spans: Sequence[Sequence[int]], asked: Sequence[int], maps_thw: FloatArray | None, latent: int
) -> tuple[FloatArray, BoolArray]:
    """A span's map is the mean over its tokens (DAAM); zero for a span without tokens."""
    attribution = np.zeros((len(spans), latent, latent), dtype=np.float32)
    row = {position: index for index, position in enumerate(asked)}
    for index, positions in enumerate(spans):
        if positions and maps_thw is not None:
            attribution[index] = maps_thw[[row[position] for position in positions]].mean(axis=0)
    return attribution, np.array([bool(positions) for positions in spans], dtype=np.bool_)
