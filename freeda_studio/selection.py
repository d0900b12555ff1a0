"""Which prototypes are meant: what the fields of a page, and requests of programs, say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field, field_validator

from freeda_store.bank import Bank
from freeda_store.limits import MAX_ID
from freeda_store.records import PrototypeInfo
from freeda_store.vectors.filters import NUMBER_FIELDS, Condition, Filter, Operator, parse_filter
from freeda_store.views.choosing import BEST_FIRST, ORDERS, Chosen, choose
from freeda_studio.models import Asked

PAGE = 24
"""Prototypes on a page."""
MOST_ON_PAGE = 200
MOST_PASSED_OVER = 100_000
"""How far into a long list a page may lie; what lies further is found by a narrower filter."""


def _filled(value: object) -> object:
    """What a field of a form says; None where it was left empty."""
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[Annotated[str, Field(max_length=1000)] | None, BeforeValidator(_filled)]
Bound = Annotated[float | None, BeforeValidator(_filled)]
Number = Annotated[Annotated[int, Field(ge=1, le=MAX_ID)] | None, BeforeValidator(_filled)]


class Selection(Asked):
    """Prototypes that the bank shows and that pass all that is said; nothing said means all of them.

    ``where`` has filters as on the command line, ``source=coco`` or ``contrast>=1.5``; the other fields say
    the same without that grammar.
    """

    noun: Text = None
    source: Text = None
    origin: Text = None
    revision: Number = None
    contrast_min: Bound = None
    contrast_max: Bound = None
    area_min: Bound = None
    area_max: Bound = None
    clip_agreement_min: Bound = None
    clip_agreement_max: Bound = None
    outlier_distance_min: Bound = None
    outlier_distance_max: Bound = None
    where: list[Annotated[str, Field(max_length=2000)]] = Field(default_factory=list, max_length=20)

    @property
    def filter(self) -> Filter:
        """What is said, but for the revision, which no filter knows.

        Raises:
            FilterError: a filter, an origin or a number cannot be read.
        """
        return Filter((*self._conditions(), *parse_filter(self.where).conditions))

    @property
    def is_all(self) -> bool:
        """Whether nothing is said.

        Raises:
            FilterError: as :attr:`filter`.
        """
        return self.revision is None and not self.filter.conditions

    def find(self, bank: Bank) -> Iterator[PrototypeInfo]:
        """The prototypes, in the order of their ids.

        Raises:
            FilterError: as :attr:`filter`.
        """
        return (info for info in bank.infos(self.filter) if self.revision in (None, info.revision))

    def __str__(self) -> str:
        """As a filter is written."""
        said = str(self.filter)
        return ", ".join(
            [*([said] if said else []), *([f"of revision {self.revision}"] if self.revision else [])]
        )

    def _conditions(self) -> Iterator[Condition]:
        for field in ("noun", "source", "origin"):
            value = getattr(self, field)
            if value is not None:
                yield Condition(field, Operator.EQ, (value.strip(),))
        for field in NUMBER_FIELDS:
            for end, operator in (("min", Operator.GE), ("max", Operator.LE)):
                bound = getattr(self, f"{field}_{end}")
                if bound is not None:
                    yield Condition(field, operator, (bound,))


class SheetAsked(Selection):
    """A page of the prototypes that are meant; ``sort`` is a field, with ``-`` before it from high to low."""

    sort: str = Field(BEST_FIRST, json_schema_extra={"enum": list(ORDERS)})
    offset: int = Field(0, ge=0, le=MOST_PASSED_OVER)
    limit: int = Field(PAGE, ge=1, le=MOST_ON_PAGE)

    @field_validator("sort")
    @classmethod
    def _known(cls, sort: str) -> str:
        if sort not in ORDERS:
            raise ValueError(f"sort by one of {', '.join(ORDERS)}")
        return sort

    def choose(self, bank: Bank) -> Chosen:
        """The page, and how many are meant in all; past the end it is empty.

        Raises:
            FilterError: a filter cannot be read.
        """
        return choose(self.find(bank), ORDERS[self.sort], self.limit, self.offset)

    def selection(self) -> Selection:
        """What is meant, whatever the page."""
        return Selection.model_validate(self.model_dump(include=set(Selection.model_fields)))

    @property
    def is_noun_alone(self) -> bool:
        """Whether a noun is said and nothing else."""
        return self.noun is not None and self.selection().model_copy(update={"noun": None}).is_all

    def query(self, **changes: Any) -> str:
        """The query of an address that asks for this, with changes."""
        said = self.model_copy(update=changes).model_dump(exclude_defaults=True, exclude_none=True)
        return urlencode(said, doseq=True)
