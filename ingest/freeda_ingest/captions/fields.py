"""Which field or column of a file holds its captions, and what its texts are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from freeda_ingest.captions.records import BadRecordError, kind_of
from freeda_ingest.errors import CaptionsError
from freeda_store.records import JsonValue

CAPTION = "caption"
KNOWN = (
    *(CAPTION, "captions", "text", "sentence", "sentences", "conversations"),
    *("description", "prompt", "comment", "alt_text", "raw"),
)
"""Names that captions go by, in any case. ``caption`` comes before all others, which must be alone."""

_SPEAKERS = frozenset({"gpt", "assistant", "model"})
_SHOWN_NAMES = 12


class Text(NamedTuple):
    """A caption as it stands in a record, and the id that it has there beside the record's own."""

    text: str
    own_id: JsonValue = None


def is_caption_name(name: str) -> bool:
    """Whether a column of this name may hold captions."""
    return name.strip().casefold() in KNOWN


def caption_field(names: Iterable[str], asked: str, where: str, hint: str = "") -> str:
    """The field that holds the captions: the one asked for, ``caption``, or the only one of :data:`KNOWN`.

    Args:
        names: what there is, as written.
        asked: by name, or empty.
        where: the file and what it is, for messages.
        hint: what else ``--field`` may be.

    Raises:
        CaptionsError: there is no such field, or several might be meant; the message names them all.
    """
    present = list(dict.fromkeys(names))
    if asked:
        if asked in present:
            return asked
        raise CaptionsError(
            f"{where} has no field '{asked}', but {listed(present)}; give --field one of these{hint}."
        )
    likely = [name for name in present if is_caption_name(name)]
    exact = [name for name in likely if name.strip().casefold() == CAPTION]
    if exact or len(likely) == 1:
        return (exact or likely)[0]
    if likely:
        raise CaptionsError(
            f"{where} has several fields that may be captions, {listed(likely)}; say which with --field."
        )
    raise CaptionsError(
        f"{where} has no field 'caption', but {listed(present)}; say which one holds the captions "
        f"with --field{hint}."
    )


def listed(names: Iterable[str]) -> str:
    """Names in quotation marks, not too many."""
    every = [f"'{name[:60]}'" for name in names]
    more = f" and {len(every) - _SHOWN_NAMES} more" if len(every) > _SHOWN_NAMES else ""
    return ", ".join(every[:_SHOWN_NAMES]) + more if every else "none"


def texts_of(value: JsonValue, field: str) -> Iterator[Text]:
    """The captions in a field's value.

    A text is one. A list gives one for each text, and for each object with ``raw`` or ``caption`` (the
    sentences of Karpathy's splits, with their ``sentid``). Of a conversation (``from`` and ``value``, as
    LLaVA's) the first answer is the caption: it is what describes the picture.

    Raises:
        BadRecordError: it is anything else.
    """
    if isinstance(value, str):
        yield Text(value)
        return
    if not isinstance(value, list) or not value:
        raise BadRecordError(
            f"field '{field}' is {'an empty list' if value == [] else kind_of(value)}, not text"
        )
    turns = [item for item in value if isinstance(item, dict)]
    if len(turns) == len(value) and any(_speaker(turn) for turn in turns):
        yield _first_answer(turns, field)
        return
    for item in value:
        yield _text_of(item, field)


def _text_of(item: JsonValue, field: str) -> Text:
    if isinstance(item, str):
        return Text(item)
    if isinstance(item, dict):
        for name in ("raw", CAPTION):
            text = item.get(name)
            if isinstance(text, str):
                return Text(text, item.get("sentid", item.get("id")))
    raise BadRecordError(f"field '{field}' holds {kind_of(item)}, not text")


def _first_answer(turns: list[dict[str, JsonValue]], field: str) -> Text:
    for turn in turns:
        text = turn.get("value", turn.get("content"))
        if _speaker(turn) in _SPEAKERS and isinstance(text, str):
            return Text(text)
    raise BadRecordError(f"field '{field}' is a conversation without an answer")


def _speaker(turn: Mapping[str, JsonValue]) -> str:
    speaker = turn.get("from", turn.get("role"))
    return speaker if isinstance(speaker, str) else ""
