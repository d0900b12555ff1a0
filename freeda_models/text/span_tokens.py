"""From a span of characters to the tokens of a tokenizer, exact for any Unicode text.

Tokenizers lower-case, repair and collapse text before they cut it, so a token's place in the
original text must be tracked. Two ways are used, in this order:

1. *Aligned*: cut the text as it stands, keep each token's characters, and accept the result only
   if the tokens equal those that the tokenizer makes of the whole text.
2. *Composed*: cut the part before the span, the span, and the part after it one by one, and join
   the tokens. Which tokens are the span's is then certain by construction, at the price that a
   token never crosses the span's border.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from typing_extensions import override

from freeda_models.errors import InputError, UnsupportedModelError
from freeda_models.protocols import Span

_SURROGATE = re.compile("[\ud800-\udfff]")


class Token(NamedTuple):
    """A token id and the characters of the original text that it was made from."""

    id: int
    start: int
    stop: int


class SpanTokens(NamedTuple):
    """A text's tokens without special ones, and which of them are the span's.

    Attributes:
        ids: token ids of the whole text.
        positions: indices into ``ids`` of the span's tokens; empty when the span has none.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]


class TokenCutter(Protocol):
    """What :func:`locate_span` needs of a tokenizer."""

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, as the model is given them, without special tokens."""

    def aligned(self, text: str) -> Sequence[Token] | None:
        """Tokens with their characters, or None if they would differ from :meth:`ids`."""


def well_formed(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced one for one by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def check_span(text: str, span: Span) -> None:
    """Raise InputError unless ``0 <= start < stop <= len(text)``."""
    start, stop = span
    if not 0 <= start < stop <= len(text):
        raise InputError(
            f"span {span} does not lie in a text of {len(text)} characters; "
            "expected 0 <= start < stop <= length."
        )


def overlapping(tokens: Sequence[tuple[int, int]], span: Span) -> tuple[int, ...]:
    """Indices of the (start, stop) pairs that share at least one character with the span."""
    return tuple(i for i, (start, stop) in enumerate(tokens) if start < span[1] and span[0] < stop)


def locate_span(cutter: TokenCutter, text: str, span: Span) -> SpanTokens:
    """The text's tokens and which of them are the span's.

    Raises:
        InputError: the span does not lie in the text.
    """
    check_span(text, span)
    text = well_formed(text)
    tokens = cutter.aligned(text)
    if tokens is not None:
        offsets = [(token.start, token.stop) for token in tokens]
        return SpanTokens(tuple(token.id for token in tokens), overlapping(offsets, span))
    parts = (text[: span[0]], text[slice(*span)], text[span[1] :])
    before, inside, after = (cutter.ids(part) for part in parts)
    positions = tuple(range(len(before), len(before) + len(inside)))
    return SpanTokens((*before, *inside, *after), positions)


class FastCutter(TokenCutter):
    """A tokenizer of transformers that knows offsets.

    Args:
        tokenizer: a tokenizer backed by the ``tokenizers`` library.
        clean: what the model's own pre-processing does to a text before the tokenizer sees it.
    """

    def __init__(self, tokenizer: Any, clean: Callable[[str], str] = str) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise UnsupportedModelError(
                f"{type(tokenizer).__name__} knows no character offsets; use a model with a tokenizer.json."
            )
        self._tokenizer, self._clean = tokenizer, clean
        self._last = lru_cache(maxsize=1)(self._align)

    @override
    def ids(self, text: str) -> list[int]:
        encoded = self._tokenizer(self._clean(text), add_special_tokens=False, verbose=False)
        return list(encoded["input_ids"])

    @override
    def aligned(self, text: str) -> Sequence[Token] | None:
        """Tokens of the text as it stands, if cleaning does not change them; one text is remembered."""
        return self._last(text)

    def _align(self, text: str) -> list[Token] | None:
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ids = list(encoded["input_ids"])
        if self._clean(text) != text and ids != self.ids(text):
            return None
        return [Token(id_, *offset) for id_, offset in zip(ids, encoded["offset_mapping"], strict=True)]


class ClipBpeCutter(TokenCutter):
    """open_clip's own tokenizer (``SimpleTokenizer``), which keeps no offsets.

    Its steps are followed with places kept: lower-case each character, find the words with its
    pattern, cut each word's UTF-8 bytes by its merges, and map bytes back to characters.
    """

    _WORD_END = "</w>"

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._last = lru_cache(maxsize=1)(self._align)

    @override
    def ids(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text))

    @override
    def aligned(self, text: str) -> Sequence[Token] | None:
        """Tokens followed through lower-casing and merging, if they equal the tokenizer's; as above."""
        return self._last(text)

    def _align(self, text: str) -> list[Token] | None:
        lowered, origin = [], []
        for index, character in enumerate(text):
            low = character.lower()
            lowered.append(low)
            origin += [index] * len(low)
        tokens: list[Token] = []
        for match in self._tokenizer.pat.finditer("".join(lowered)):
            tokens += self._word(match.group(), origin[match.start() : match.end()])
        return tokens if [token.id for token in tokens] == self.ids(text) else None

    def _word(self, word: str, origin: Sequence[int]) -> list[Token]:
        byte_origin = [origin[i] for i, character in enumerate(word) for _ in character.encode("utf-8")]
        symbols = "".join(self._tokenizer.byte_encoder[byte] for byte in word.encode("utf-8"))
        tokens, at = [], 0
        for piece in self._tokenizer.bpe(symbols).split(" "):
            stop = at + len(piece.removesuffix(self._WORD_END))
            tokens.append(Token(self._tokenizer.encoder[piece], byte_origin[at], byte_origin[stop - 1] + 1))
            at = stop
        return tokens
