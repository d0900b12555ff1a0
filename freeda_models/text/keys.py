"""Text keys: nouns and class names to vectors of a bank's key space.

How a noun is embedded is a named strategy (method, offline stage 6); add one to
:data:`STRATEGIES` to make it available to presets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from freeda_models.errors import InputError, PresetError
from freeda_models.protocols import FloatArray, Noun, TextEncoder
from freeda_models.unit_vectors import normalised

CLASS_BATCH = 128
_Item = TypeVar("_Item", bound=Hashable)


class PromptMean(StrEnum):
    """How the embeddings of a text's prompts are averaged; the mean is always L2-normalised.

    UNIT: each is L2-normalised first, as OpenAI's and open_clip's zero-shot classifiers do.
    RAW: as the encoder gives them, so that longer ones count more, as the code of FreeDA's authors does.
    """

    UNIT = "unit"
    RAW = "raw"


@dataclass(frozen=True)
class Prompts:
    """How a text is put to an encoder.

    Attributes:
        templates: at least one, each with ``{}`` where the text goes.
        mean: over their embeddings.

    Raises:
        PresetError: no template, or one without ``{}``.
    """

    templates: tuple[str, ...]
    mean: PromptMean = PromptMean.UNIT

    def __post_init__(self) -> None:
        if not self.templates or any("{}" not in template for template in self.templates):
            raise PresetError(
                "every prompt template must contain '{}'; give at least one, 'a photo of a {}.'."
            )


_AUTHORS = (
    "itap of a {}.",
    "a bad photo of a {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)


def _imagenet80() -> tuple[str, ...]:
    file = resources.files("freeda_models") / "data" / "imagenet80_templates.txt"
    text = file.read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


TEMPLATE_SETS: Mapping[str, Prompts] = MappingProxyType(
    {
        "openai_subset": Prompts(_AUTHORS),
        "openai_subset_raw": Prompts(_AUTHORS, PromptMean.RAW),
        "imagenet80": Prompts(_imagenet80()),
        "single": Prompts(("a photo of a {}.",)),
        "none": Prompts(("{}",)),
    }
)
"""Prompts by name. ``openai_subset_raw`` is what the code of FreeDA's authors evaluates with;
``openai_subset`` differs in the mean alone."""

DEFAULT_PROMPTS = TEMPLATE_SETS["openai_subset"]


def prompts_named(name: str) -> Prompts:
    """Prompts by the name that a preset or a bank's manifest has for them.

    Raises:
        PresetError: this version does not know the name.
    """
    if name not in TEMPLATE_SETS:
        known = ", ".join(TEMPLATE_SETS)
        raise PresetError(f"unknown set of prompt templates '{name}'; this version knows {known}.")
    return TEMPLATE_SETS[name]


def embed_classes(encoder: TextEncoder, texts: Sequence[str], prompts: Prompts) -> FloatArray:
    """Embed class names (method, online stage 1).

    Args:
        encoder: the key space's encoder.
        texts: class names; repeated ones are embedded once.
        prompts: what each is put into, and how the mean is taken.

    Returns:
        float32 (N, D), L2-normalised rows.
    """
    templates = prompts.templates
    encode = encoder.encode_texts if prompts.mean is PromptMean.UNIT else encoder.encode_texts_raw

    def embed(unique: Sequence[str]) -> FloatArray:
        parts = []
        for start in range(0, len(unique), CLASS_BATCH):
            part = unique[start : start + CLASS_BATCH]
            filled = [template.replace("{}", text) for text in part for template in templates]
            parts.append(encode(filled).reshape(len(part), len(templates), -1).mean(axis=1))
        return normalised(np.concatenate(parts))

    return _each_once(encoder, texts, embed)


def embed_nouns(
    encoder: TextEncoder,
    strategy: str,
    captions: Sequence[str],
    nouns: Sequence[Noun],
    prompts: Prompts = DEFAULT_PROMPTS,
) -> FloatArray:
    """Embed nouns as text keys: one caption and one noun per row.

    Args:
        encoder: the key space's encoder.
        strategy: a name of :data:`STRATEGIES`.
        captions: the caption of each noun.
        nouns: the nouns, with spans into their captions.
        prompts: used by ``template_mean``.

    Returns:
        float32 (N, D), L2-normalised rows. What repeats within a call is embedded once.

    Raises:
        InputError: not one caption per noun.
        PresetError: the strategy is unknown.
    """
    if len(captions) != len(nouns):
        raise InputError(f"got {len(captions)} captions and {len(nouns)} nouns; give one caption per noun.")
    if strategy not in STRATEGIES:
        raise PresetError(f"unknown key strategy '{strategy}'; choose one of {', '.join(STRATEGIES)}.")
    return STRATEGIES[strategy](encoder, captions, nouns, prompts)


def _template_mean(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], prompts: Prompts
) -> FloatArray:
    """The noun in prompt templates, without its caption."""
    return embed_classes(encoder, [noun.key for noun in nouns], prompts)


def _span_in_caption(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], prompts: Prompts
) -> FloatArray:
    """The noun's tokens pooled inside the caption."""
    pairs = [(caption, noun.span) for caption, noun in zip(captions, nouns, strict=True)]

    def embed(unique: Sequence[tuple[str, tuple[int, int]]]) -> FloatArray:
        return encoder.encode_spans([caption for caption, _ in unique], [span for _, span in unique])

    return _each_once(encoder, pairs, embed)


def _noun_and_caption(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], prompts: Prompts
) -> FloatArray:
    """The mean of the noun's and the caption's embeddings."""
    keys = _each_once(encoder, [noun.key for noun in nouns], encoder.encode_texts)
    return normalised(keys + _each_once(encoder, captions, encoder.encode_texts))


Strategy = Callable[[TextEncoder, Sequence[str], Sequence[Noun], Prompts], FloatArray]

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "template_mean": _template_mean,
        "span_in_caption": _span_in_caption,
        "noun_and_caption": _noun_and_caption,
    }
)


def _each_once(
    encoder: TextEncoder, items: Sequence[_Item], embed: Callable[[Sequence[_Item]], FloatArray]
) -> FloatArray:
    """Embed the distinct items and spread the rows; (0, D) for none."""
    if not items:
        return np.zeros((0, encoder.identity.dim), dtype=np.float32)
    row = {item: index for index, item in enumerate(dict.fromkeys(items))}
    return embed(list(row))[[row[item] for item in items]]
