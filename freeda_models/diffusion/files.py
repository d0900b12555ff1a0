"""Which files a Stable Diffusion repository must hold, and a generator's identity. No networks."""

from __future__ import annotations

from collections.abc import Mapping

from freeda_models.presets import GeneratorSettings
from freeda_models.protocols import ModelIdentity
from freeda_models.weights import RequiredFile, files_sha256, model_source

_COMPONENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "sd": (
        ("text_encoder", "model"),
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
    ),
    "sdxl": (
        ("text_encoder", "model"),
        ("text_encoder_2", "model"),
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
    ),
}
_TOKENIZERS: Mapping[str, tuple[str, ...]] = {"sd": ("tokenizer",), "sdxl": ("tokenizer", "tokenizer_2")}


def generator_weights(settings: GeneratorSettings) -> tuple[str, ...]:
    """The safetensors files of each network, relative to the model's folder."""
    middle = f".{settings.variant}" if settings.variant else ""
    return tuple(f"{folder}/{stem}{middle}.safetensors" for folder, stem in _COMPONENTS[settings.family])


def generator_files(settings: GeneratorSettings) -> tuple[RequiredFile, ...]:
    """Every file without which a pipeline cannot be made: the weights, and the small files with them.

    A tokenizer is one file, or a vocabulary and merges.
    """
    configs = [f"{folder}/config.json" for folder, _ in _COMPONENTS[settings.family]]
    tokenizers: list[RequiredFile] = []
    for folder in _TOKENIZERS[settings.family]:
        whole = f"{folder}/tokenizer.json"
        tokenizers += [f"{folder}/tokenizer_config.json", (whole, f"{folder}/vocab.json")]
        tokenizers.append((whole, f"{folder}/merges.txt"))
    small = ("model_index.json", "scheduler/scheduler_config.json", *configs, *tokenizers)
    return (*small, *generator_weights(settings))


def generator_patterns(settings: GeneratorSettings) -> tuple[str, ...]:
    """Globs of the small files that go with the weights; no safety checker, no pickles."""
    configs = [f"{folder}/config.json" for folder, _ in _COMPONENTS[settings.family]]
    tokenizers = [f"{folder}/*" for folder in _TOKENIZERS[settings.family]]
    return ("scheduler/*", *configs, *tokenizers)


def generator_identity(settings: GeneratorSettings) -> ModelIdentity:
    """Identity of a preset's generator. The hash is over its networks' weights files."""
    source = model_source(settings.model, settings.revision)
    sharpening = (
        f" sharpened {settings.sharpen_power} at {settings.sharpen_side}" if settings.sharpen_power else ""
    )
    return ModelIdentity(
        id=source.name,
        revision=source.revision,
        sha256=files_sha256(source, generator_weights(settings)),
        dim=0,
        preprocessing=(
            f"{settings.image_size}px {settings.scheduler} {settings.steps} steps "
            f"guidance {settings.guidance:g} daam{sharpening}"
        ),
    )
