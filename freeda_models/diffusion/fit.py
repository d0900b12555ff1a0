"""Whether the networks of a generator fit each other and its preset, from configurations and headers alone.

diffusers loads each network by itself, and finds out while it draws what does not fit; a drawing with
an unknown scheduler even succeeds, and shows noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from freeda_errors.documents import Excerpt
from freeda_models.diffusion.files import generator_weights
from freeda_models.documents import Size
from freeda_models.errors import UnsupportedModelError
from freeda_models.presets import GeneratorSettings
from freeda_models.weights import read_config, read_json, read_shapes

_PREDICTIONS = ("epsilon", "v_prediction", "sample")
_OTHER_SCHEDULERS = ("FlowMatch", "VQDiffusion", "RePaint", "ScoreSde", "Karras", "Consistency", "CM", "EDM")
_PICTURE_CHANNELS = 3

_Sizes = Annotated[tuple[Size, ...], Field(strict=False, min_length=1)]


class UnetConfig(Excerpt):
    """What of a UNet's configuration must fit."""

    in_channels: Size
    out_channels: Size
    cross_attention_dim: Size | _Sizes
    block_out_channels: _Sizes
    sample_size: Size | _Sizes | None = None
    addition_embed_type: str | None = None
    encoder_hid_dim: Size | None = None

    @property
    def context(self) -> set[int]:
        """Lengths of the text vectors that it listens to."""
        dim = self.cross_attention_dim
        return {dim} if isinstance(dim, int) else set(dim)


class VaeConfig(Excerpt):
    """What of an autoencoder's configuration must fit."""

    latent_channels: Size
    in_channels: Size = _PICTURE_CHANNELS
    out_channels: Size = _PICTURE_CHANNELS
    block_out_channels: _Sizes

    @property
    def factor(self) -> int:
        """How many pixels of the picture are one of the latent, in rows and columns."""
        return int(2 ** (len(self.block_out_channels) - 1))


class TextConfig(Excerpt):
    """What of a text encoder's configuration must fit."""

    hidden_size: Size
    vocab_size: Size
    max_position_embeddings: Size = 77


class SchedulerConfig(Excerpt):
    """What of a scheduler's configuration must fit."""

    class_name: str = Field(alias="_class_name")
    num_train_timesteps: Size = 1000
    prediction_type: str = "epsilon"


def check_generator_files(settings: GeneratorSettings, folder: Path) -> None:
    """Refuse a generator that would fail while it draws, or draw noise.

    Args:
        settings: of the preset.
        folder: holds all files of the generator.

    Raises:
        UnsupportedModelError: names the file, what does not fit, and what to do.
    """
    texts = [read_config(folder / name / "config.json", TextConfig) for name in _encoders(settings)]
    unet = read_config(folder / "unet" / "config.json", UnetConfig)
    vae = read_config(folder / "vae" / "config.json", VaeConfig)
    scheduler = read_config(folder / "scheduler" / "scheduler_config.json", SchedulerConfig)
    for fits, file, reason in (
        *_channels(unet, vae),
        *_texts(settings, unet, texts),
        *_scheduler(scheduler, settings),
        *_size(settings, vae),
    ):
        if not fits:
            raise UnsupportedModelError(f"{folder / file}: {reason}.")
    _check_weights(settings, folder, unet, vae, texts)
    for name, text in zip(_encoders(settings), texts, strict=True):
        _check_vocabulary(folder / name.replace("text_encoder", "tokenizer"), text)


_Rule = tuple[bool, str, str]
_OTHER = "use a text-to-image model of Stable Diffusion 1, 2 or XL, or fetch this one again"


def _encoders(settings: GeneratorSettings) -> tuple[str, ...]:
    return ("text_encoder",) if settings.family == "sd" else ("text_encoder", "text_encoder_2")


def _channels(unet: UnetConfig, vae: VaeConfig) -> tuple[_Rule, ...]:
    file, latent = "unet/config.json", vae.latent_channels
    read = f"the UNet reads {unet.in_channels} channels and the VAE's latent has {latent}; {_OTHER}"
    drawn = f"the UNet draws {unet.out_channels} channels and the VAE's latent has {latent}; {_OTHER}"
    colours = f"the VAE's pictures have {vae.in_channels} and {vae.out_channels} channels, not 3; {_OTHER}"
    return (
        (unet.in_channels == latent, file, read),
        (unet.out_channels == latent, file, drawn),
        (vae.in_channels == vae.out_channels == _PICTURE_CHANNELS, "vae/config.json", colours),
    )


def _texts(settings: GeneratorSettings, unet: UnetConfig, texts: list[TextConfig]) -> tuple[_Rule, ...]:
    file, width = "unet/config.json", sum(text.hidden_size for text in texts)
    heard = " or ".join(map(str, sorted(unet.context)))
    lengths = f"the UNet listens to vectors of length {heard}, and the text encoders give {width}; {_OTHER}"
    is_xl = unet.addition_embed_type == "text_time"
    family = f"the UNet is {'' if is_xl else 'not '}one of XL, and the preset says family '{settings.family}'"
    return (
        (is_xl == (settings.family == "sdxl"), file, f"{family}; correct the preset's generator.family"),
        (unet.encoder_hid_dim is not None or unet.context == {width}, file, lengths),
    )


def _scheduler(scheduler: SchedulerConfig, settings: GeneratorSettings) -> tuple[_Rule, ...]:
    file, name = "scheduler/scheduler_config.json", scheduler.class_name[:80]
    kind = name.endswith("Scheduler") and not name.startswith(_OTHER_SCHEDULERS)
    steps = f"it knows {scheduler.num_train_timesteps} steps, and the preset asks for {settings.steps}"
    prediction = f"prediction type '{scheduler.prediction_type[:40]}' is none of {', '.join(_PREDICTIONS)}"
    return (
        (kind, file, f"'{name}' is no scheduler of diffusion models that predict noise; {_OTHER}"),
        (scheduler.prediction_type in _PREDICTIONS, file, f"{prediction}; {_OTHER}"),
        (settings.steps <= scheduler.num_train_timesteps, file, f"{steps}; lower generator.steps"),
    )


def _size(settings: GeneratorSettings, vae: VaeConfig) -> tuple[_Rule, ...]:
    size, factor = settings.image_size, vae.factor
    advice = f"use {size // factor * factor or factor}"
    reason = f"the preset's generator.image_size {size} is not a multiple of {factor}; {advice}"
    return ((size % factor == 0, "vae/config.json", reason),)


def _check_weights(
    settings: GeneratorSettings, folder: Path, unet: UnetConfig, vae: VaeConfig, texts: list[TextConfig]
) -> None:
    """Refuse files that are no safetensors, and tensors of other shapes than the configurations say."""
    first, last = unet.block_out_channels[0], vae.block_out_channels[-1]
    expected: dict[str, Mapping[str, Callable[[tuple[int, ...]], bool]]] = {
        "unet": {
            "conv_in.weight": lambda shape: shape[:2] == (first, unet.in_channels),
            "conv_out.weight": lambda shape: shape[:2] == (unet.out_channels, first),
            "attn2.to_k.weight": lambda shape: len(shape) == 2 and shape[1] in unet.context,
        },
        "vae": {
            "decoder.conv_in.weight": lambda shape: shape[:2] == (last, vae.latent_channels),
            "encoder.conv_in.weight": lambda shape: shape[1:2] == (vae.in_channels,),
        },
    }
    for name, text in zip(_encoders(settings), texts, strict=True):
        words, places = (text.vocab_size, text.hidden_size), (text.max_position_embeddings, text.hidden_size)
        expected[name] = {
            "token_embedding.weight": lambda shape, words=words: shape == words,  # type: ignore[misc]
            "position_embedding.weight": lambda shape, places=places: shape == places,  # type: ignore[misc]
        }
    for file in generator_weights(settings):
        shapes = read_shapes(folder / file)
        for ending, fits in expected[file.partition("/")[0]].items():
            found = {tensor: shape for tensor, shape in shapes.items() if tensor.endswith(ending)}
            wrong = next((tensor for tensor, shape in found.items() if not fits(shape)), None)
            if not found or wrong is not None:
                told = f"tensor {wrong} has shape {found[wrong]}" if wrong else f"no tensor ends in {ending}"
                raise UnsupportedModelError(
                    f"{folder / file}: {told}, which is not what its config.json says; fetch the model again."
                )


def _check_vocabulary(folder: Path, text: TextConfig) -> None:
    """Refuse a tokenizer with more words than its text encoder has vectors."""
    whole = folder / "tokenizer.json"
    path = whole if whole.is_file() else folder / "vocab.json"
    content = read_json(path)
    model = content.get("model") if path is whole else {"vocab": content}
    words = model.get("vocab") if isinstance(model, dict) else None
    numbers = list(words.values()) if isinstance(words, dict) else []
    if not numbers or not all(isinstance(number, int) for number in numbers):
        raise UnsupportedModelError(f"{path} holds no vocabulary; fetch the model again.")
    if max(numbers) >= text.vocab_size:
        raise UnsupportedModelError(
            f"{path} has more words ({max(numbers) + 1:,}) than the text encoder ({text.vocab_size:,}); "
            "fetch the model again."
        )
