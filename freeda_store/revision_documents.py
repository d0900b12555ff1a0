"""Revisions in documents outside SQL, archives' indexes and what readers of a hosted bank see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from freeda_errors.documents import Document, Text
from freeda_store.limits import MAX_ID

Moment = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=32)]
Count = Annotated[int, Field(ge=0, le=MAX_ID)]
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class RevisionDocument(Document):
    """A committed revision as documents outside SQL hold it."""

    id: Id
    number: Id
    parent_id: Id | None
    run_key: Text
    message: Text
    created_at: Moment
    committed_at: Moment | None
    prototypes_added: Count
    prototypes_retired: Count


class NumberedRevision(Protocol):
    """The place of a revision in a history."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def number(self) -> int:
        """Its number, counted from 1."""

    @property
    def parent_id(self) -> int | None:
        """Id of the revision that it builds on."""


def check_order(revisions: Iterable[NumberedRevision]) -> None:
    """Refuse committed revisions that are no history: each must build on an earlier one, without a gap.

    Raises:
        ValueError: names the revision.
    """
    ids: set[int] = set()
    for number, revision in enumerate(revisions, start=1):
        if revision.number != number or revision.id in ids:
            raise ValueError(f"revision {number} is out of order")
        if revision.parent_id is not None and revision.parent_id not in ids:
            raise ValueError(f"revision {number} builds on one that is not there")
        ids.add(revision.id)
