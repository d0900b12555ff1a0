"""A point's payload: all of ``PrototypeInfo``, so that a reader of vectors alone can explain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from freeda_store.errors import BankDamagedError
from freeda_store.records import Caption, JsonValue, PrototypeInfo, Scores
from freeda_store.vectors.protocol import Payload

SCORE_FIELDS = ("contrast", "area", "clip_agreement", "outlier_distance")


@dataclass(frozen=True)
class StoredPrototype:
    """A prototype as it is kept: what both SQL and the payload of its point must say."""

    id: UUID
    generation: UUID
    caption: Caption
    seed: int
    picture_key: str
    noun: str
    kind: str
    span: tuple[int, int]
    scores: Scores
    attribution_key: str
    added_in: int


def make_payload(stored: StoredPrototype, retired_in: Sequence[int] = ()) -> dict[str, JsonValue]:
    """The payload of a prototype's point. Scores lie at the top, where filters reach them."""
    return {
        "generation": str(stored.generation),
        "noun": stored.noun,
        "kind": stored.kind,
        "span": [*stored.span],
        "caption": stored.caption.text,
        "external_id": stored.caption.external_id,
        "source": stored.caption.source,
        "license": stored.caption.license,
        "url": stored.caption.url,
        "seed": stored.seed,
        "contrast": stored.scores.contrast,
        "area": stored.scores.area,
        "clip_agreement": stored.scores.clip_agreement,
        "outlier_distance": stored.scores.outlier_distance,
        "picture_key": stored.picture_key,
        "attribution_key": stored.attribution_key,
        "added_in": stored.added_in,
        "retired_in": [*retired_in],
    }


def read_info(id_: UUID, payload: Payload, number_of: Callable[[int], int]) -> PrototypeInfo:
    """What a payload says; ``number_of`` turns a revision's id into its number.

    Raises:
        BankDamagedError: a field is missing.
    """
    values = cast("dict[str, Any]", payload)
    try:
        return PrototypeInfo(
            id=id_,
            noun=values["noun"],
            kind=values["kind"],
            span=(values["span"][0], values["span"][1]),
            caption=values["caption"],
            external_id=values["external_id"],
            source=values["source"],
            license=values["license"],
            url=values["url"],
            seed=values["seed"],
            scores=Scores(
                contrast=values["contrast"],
                area=values["area"],
                clip_agreement=values["clip_agreement"],
                outlier_distance=values["outlier_distance"],
            ),
            picture_key=values["picture_key"],
            attribution_key=values["attribution_key"],
            revision=number_of(values["added_in"]),
        )
    except (KeyError, IndexError, TypeError) as error:
        raise BankDamagedError(
            f"prototype {id_} has no valid field {error}; run `freeda bank verify --repair`."
        ) from error
