"""Text keys: nouns and class names to vectors of a bank's key space.

How a noun is embedded is a named strategy (method, offline stage 6); add one to
:data:`STRATEGIES` to make it available to presets.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from freeda_models.errors import InputError, PresetError
from freeda_models.protocols import FloatArray, Noun, TextEncoder

CLASS_BATCH = 128
Templates = tuple[str, ...]
_Item = TypeVar("_Item", bound=Hashable)


def _imagenet80() -> Templates:
    file = resources.files("freeda_models") / "data" / "imagenet80_templates.txt"
    text = file.read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


TEMPLATE_SETS: Mapping[str, Templates] = MappingProxyType(
    {
        "openai_subset": (
            "itap of a {}.",
            "a bad photo of a {}.",
            "a origami {}.",
            "a photo of the large {}.",
            "a {} in a video game.",
            "art of the {}.",
            "a photo of the small {}.",
        ),
        "imagenet80": _imagenet80(),
        "single": ("a photo of a {}.",),
        "none": ("{}",),
    }
)
"""Prompt templates by name. ``openai_subset`` is what the authors of FreeDA evaluate with."""

DEFAULT_TEMPLATES = TEMPLATE_SETS["openai_subset"]


def embed_classes(encoder: TextEncoder, texts: Sequence[str], templates: Sequence[str]) -> FloatArray:
    """Embed class names (method, online stage 1).

    Args:
        encoder: the key space's encoder.
        texts: class names; repeated ones are embedded once.
        templates: each with ``{}`` where the name goes; the mean over them is taken.

    Returns:
        float32 (N, D), L2-normalised rows.

    Raises:
        PresetError: no template, or one without ``{}``.
    """
    if not templates or any("{}" not in template for template in templates):
        raise PresetError("every prompt template must contain '{}'; give at least one, 'a photo of a {}.'.")

    def embed(unique: Sequence[str]) -> FloatArray:
        parts = []
        for start in range(0, len(unique), CLASS_BATCH):
            part = unique[start : start + CLASS_BATCH]
            prompts = [template.replace("{}", text) for text in part for template in templates]
            parts.append(encoder.encode_texts(prompts).reshape(len(part), len(templates), -1).mean(axis=1))
        return _normalised(np.concatenate(parts))

    return _each_once(encoder, texts, embed)


def embed_nouns(
    encoder: TextEncoder,
    strategy: str,
    captions: Sequence[str],
    nouns: Sequence[Noun],
    templates: Sequence[str] = DEFAULT_TEMPLATES,
) -> FloatArray:
    """Embed nouns as text keys: one caption and one noun a row.

    Args:
        encoder: the key space's encoder.
        strategy: a name of :data:`STRATEGIES`.
        captions: the caption of each noun.
        nouns: the nouns, with spans into their captions.
        templates: used by ``template_mean``.

    Returns:
        float32 (N, D), L2-normalised rows. What repeats within a call is embedded once.

    Raises:
        InputError: not one caption a noun.
        PresetError: the strategy is unknown, or a template has no ``{}``.
    """
    if len(captions) != len(nouns):
        raise InputError(f"got {len(captions)} captions and {len(nouns)} nouns; give one caption a noun.")
    if strategy not in STRATEGIES:
        raise PresetError(f"unknown key strategy '{strategy}'; choose one of {', '.join(STRATEGIES)}.")
    return STRATEGIES[strategy](encoder, captions, nouns, templates)


def _template_mean(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], templates: Sequence[str]
) -> FloatArray:
    """The noun in prompt templates, without its caption."""
    return embed_classes(encoder, [noun.key for noun in nouns], templates)


def _span_in_caption(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], templates: Sequence[str]
) -> FloatArray:
    """The noun's tokens pooled inside the caption."""
    pairs = [(caption, noun.span) for caption, noun in zip(captions, nouns, strict=True)]

    def embed(unique: Sequence[tuple[str, tuple[int, int]]]) -> FloatArray:
        return encoder.encode_spans([caption for caption, _ in unique], [span for _, span in unique])

    return _each_once(encoder, pairs, embed)


def _noun_and_caption(
    encoder: TextEncoder, captions: Sequence[str], nouns: Sequence[Noun], templates: Sequence[str]
) -> FloatArray:
    """The mean of the noun's and the caption's embeddings."""
    keys = _each_once(encoder, [noun.key for noun in nouns], encoder.encode_texts)
    return _normalised(keys + _each_once(encoder, captions, encoder.encode_texts))


Strategy = Callable[[TextEncoder, Sequence[str], Sequence[Noun], Sequence[str]], FloatArray]

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


def _normalised(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normalised: FloatArray = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised
