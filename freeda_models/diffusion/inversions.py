"""Textual inversions of several vectors: where a caption's words are in the prompt that is drawn.

diffusers writes a placeholder such as ``<toy>`` that has several vectors as ``<toy> <toy>_1 <toy>_2``
before it tokenises a prompt, so whatever follows it lies further on than in the caption.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from freeda_models.errors import UnsupportedModelError
from freeda_models.protocols import Span


@dataclass(frozen=True)
class Replacement:
    """Characters ``start`` to ``stop`` of a caption, and what stands for them in the prompt."""

    start: int
    stop: int
    text: str


@dataclass(frozen=True)
class DrawnPrompt:
    """A caption as it is drawn.

    Attributes:
        text: the prompt that is tokenised.
        replaced: what differs from the caption, in order, not overlapping.
    """

    text: str
    replaced: tuple[Replacement, ...] = ()

    def span(self, span: Span) -> Span:
        """A span of the caption in the prompt; one that holds part of a placeholder gets all of it."""
        start, stop = span
        moved_start, moved_stop, shift = start, stop, 0
        for each in self.replaced:
            grown = len(each.text) - (each.stop - each.start)
            if each.start < start:
                moved_start = each.start + shift if start < each.stop else start + shift + grown
            elif each.start == start:
                moved_start = start + shift
            if each.start < stop:
                moved_stop = max(stop, each.stop) + shift + grown
            shift += grown
        return moved_start, moved_stop


def drawn_prompt(pipeline: Any, caption: str) -> DrawnPrompt | None:
    """The prompt that a pipeline of diffusers makes of a caption.

    Returns:
        The prompt; None when placeholders stand in each other's way, so that nobody can tell which
        words of the prompt are those of the caption.

    Raises:
        UnsupportedModelError: the pipeline's tokenizers do not know the same placeholders.
    """
    _check_tokenizers(pipeline)
    tokenizer = pipeline.tokenizer
    replacements = _replacements(tokenizer, caption)
    parts, at, replaced = [], 0, []
    for found in _placeholders(caption, tuple(replacements)):
        text = replacements[found.group()]
        replaced.append(Replacement(found.start(), found.end(), text))
        parts += [caption[at : found.start()], text]
        at = found.end()
    prompt = DrawnPrompt("".join([*parts, caption[at:]]), tuple(replaced))
    drawn = pipeline.maybe_convert_prompt(caption, tokenizer) if replacements else caption
    return prompt if prompt.text == drawn else None


def _replacements(tokenizer: Any, caption: str) -> dict[str, str]:
    """The placeholders of a caption that have several vectors, with what is written for each."""
    known = tokenizer.added_tokens_encoder
    several = [token for token in known if f"{token}_1" in known]
    if not several:
        return {}
    present = set(tokenizer.tokenize(caption))
    return {token: " ".join(_vectors(token, known)) for token in several if token in present}


def _vectors(token: str, known: Any) -> Iterator[str]:
    yield token
    number = 1
    while f"{token}_{number}" in known:
        yield f"{token}_{number}"
        number += 1


def _placeholders(caption: str, tokens: tuple[str, ...]) -> Iterator[re.Match[str]]:
    if not tokens:
        return iter(())
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.finditer("|".join(map(re.escape, longest_first)), caption)


def _check_tokenizers(pipeline: Any) -> None:
    """Two text encoders share the places of a prompt's tokens, so both must cut it alike."""
    second = getattr(pipeline, "tokenizer_2", None)
    if second is None:
        return
    first_known, second_known = (
        set(tokenizer.added_tokens_encoder) - set(tokenizer.all_special_tokens)
        for tokenizer in (pipeline.tokenizer, second)
    )
    strange = sorted(first_known ^ second_known)
    if strange:
        raise UnsupportedModelError(
            f"textual inversion '{strange[0]}' is known to one of the generator's two tokenizers only, so "
            "its text encoders count tokens differently; load the inversion into both."
        )
