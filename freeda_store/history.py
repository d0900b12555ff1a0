"""The history of a bank: which revisions there are, and what each of them shows.

Every writer opens a revision. At its commit the revision gets the next ``number`` and its
``parent``, the head at that moment. A revision shows what it and its ancestors added, less what
they retired. So writers do not see each other, and a rollback is only a revision with an older
parent: nothing is ever undone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from freeda_store.errors import BankDamagedError, RevisionMissingError
from freeda_store.records import RevisionInfo
from freeda_store.vectors.filters import View


@dataclass(frozen=True)
class RevisionRecord:
    """A revision as SQL holds it; open while ``number`` is None."""

    id: int
    number: int | None
    parent_id: int | None
    run_key: str
    message: str
    created_at: str
    committed_at: str | None
    prototypes_added: int
    prototypes_retired: int


@dataclass(frozen=True)
class BankDiff:
    """What the second of two revisions has more and less than the first.

    Attributes:
        nouns_gained, nouns_lost: nouns with at least one prototype on one side only, sorted.
        prototypes_gained, prototypes_lost: ids, sorted.
    """

    nouns_gained: tuple[str, ...]
    nouns_lost: tuple[str, ...]
    prototypes_gained: tuple[UUID, ...]
    prototypes_lost: tuple[UUID, ...]


def check_graph(records: Sequence[RevisionRecord]) -> None:
    """Refuse revisions that cannot be those of a bank, in linear time.

    Numbers count from 1 without a gap, and a parent is committed before its child. So every walk from
    child to parent ends.

    Raises:
        BankDamagedError: names the first revision that is wrong.
    """
    numbers = {record.id: record.number for record in records}
    if len(numbers) != len(records):
        raise _damaged("two of its revisions have one id")
    rising = sorted((record for record in records if record.number is not None), key=lambda r: r.number or 0)
    for place, record in enumerate(rising, start=1):
        if record.number != place:
            raise _damaged(f"revision {place} is missing or comes twice")
    for record in [*rising, *(record for record in records if record.number is None)]:
        name = f"revision {record.number}" if record.number else f"an unfinished revision (id {record.id})"
        if record.parent_id is None:
            continue
        parent = numbers.get(record.parent_id)
        if parent is None:
            raise _damaged(f"{name} builds on one that does not exist (id {record.parent_id})")
        if record.number is not None and parent >= record.number:
            raise _damaged(f"{name} builds on revision {parent}, which is not older")


def _damaged(what: str) -> BankDamagedError:
    return BankDamagedError(
        f"the bank's history is damaged: {what}; restore its database from a copy (of a folder, bank.sqlite; "
        "of a hosted bank, the dump of its SQL)."
    )


class History:
    """All revisions and tags of a bank at one moment."""

    def __init__(
        self, records: Sequence[RevisionRecord], tags: Mapping[str, int], *, unfinished: int = 0
    ) -> None:
        """Take the records of a bank.

        Raises:
            BankDamagedError: no bank can have such a history; names the revision.
        """
        check_graph(records)
        self._by_id = {record.id: record for record in records}
        self._by_number = {record.number: record for record in records if record.number is not None}
        self._tags = dict(tags)
        self._unknown = unfinished

    @property
    def head(self) -> RevisionRecord | None:
        """The newest committed revision."""
        return self._by_number[max(self._by_number)] if self._by_number else None

    @property
    def unfinished(self) -> int:
        """How many revisions are open."""
        return len(self._by_id) - len(self._by_number) + self._unknown

    @property
    def tags(self) -> Mapping[str, int]:
        """Ids of revisions by tag."""
        return dict(self._tags)

    def committed_records(self) -> list[RevisionRecord]:
        """All committed revisions as SQL holds them, oldest first."""
        return [self._by_number[number] for number in sorted(self._by_number)]

    def committed(self) -> list[RevisionInfo]:
        """All committed revisions, oldest first."""
        return [self.info(self._by_number[number]) for number in sorted(self._by_number)]

    def resolve(self, version: int | str) -> RevisionRecord:
        """The revision of a number or a tag.

        Raises:
            RevisionMissingError: there is none.
        """
        if isinstance(version, str):
            if version not in self._tags:
                known = f"tags are {', '.join(sorted(self._tags))}" if self._tags else "it has no tags"
                raise RevisionMissingError(f"the bank has no tag '{version}'; {known}.")
            if self.number_of(self._tags[version]) == 0:
                raise BankDamagedError(
                    f"tag '{version}' names a revision that the bank does not have; set it anew with "
                    f"`freeda bank tag {version} --move`, or restore the database from a copy."
                )
            return self._by_id[self._tags[version]]
        if version not in self._by_number:
            last = max(self._by_number, default=0)
            several = f"its revisions are 1 to {last}" if last > 1 else "its only revision is 1"
            known = several if last else "it has no revision yet"
            raise RevisionMissingError(f"the bank has no revision {version}; {known}.")
        return self._by_number[version]

    def by_id(self, id_: int) -> RevisionRecord:
        """The revision of an id that is known to exist."""
        return self._by_id[id_]

    def tagged(self, name: str) -> int | None:
        """The id of the revision that a tag names."""
        return self._tags.get(name)

    def has(self, id_: int) -> bool:
        """Whether a revision of this id exists, open or committed."""
        return id_ in self._by_id

    def number_of(self, id_: int) -> int:
        """The number of a revision's id, 0 while it is open."""
        record = self._by_id.get(id_)
        return record.number or 0 if record else 0

    def ancestors(self, id_: int | None) -> frozenset[int]:
        """Ids of a revision and all it builds on; empty for None."""
        found: set[int] = set()
        while id_ is not None:
            found.add(id_)
            id_ = self._by_id[id_].parent_id
        return frozenset(found)

    def view(self, id_: int | None) -> View:
        """What a revision shows, in as few ranges of ids as possible."""
        return View(self._ranges(self.ancestors(id_)))

    def writing_view(self, id_: int | None) -> View:
        """What a commit of this open revision would show: the head, and the revision itself."""
        shown = self.ancestors(self.head.id if self.head else None)
        return View(self._ranges(shown if id_ is None else shown | {id_}))

    def info(self, record: RevisionRecord) -> RevisionInfo:
        """A committed revision as people see it."""
        parent = self._by_id[record.parent_id].number if record.parent_id is not None else None
        return RevisionInfo(
            number=record.number or 0,
            parent=parent,
            message=record.message,
            created_at=record.created_at,
            committed_at=record.committed_at or "",
            prototypes_added=record.prototypes_added,
            prototypes_retired=record.prototypes_retired,
            tags=tuple(sorted(name for name, id_ in self._tags.items() if id_ == record.id)),
        )

    @staticmethod
    def _ranges(ids: frozenset[int]) -> tuple[tuple[int, int], ...]:
        """Inclusive ranges that hold exactly these ids.

        A gap is never bridged, not even over ids of dropped revisions: a point may still carry one.
        """
        ranges: list[tuple[int, int]] = []
        for id_ in sorted(ids):
            if ranges and ranges[-1][1] == id_ - 1:
                ranges[-1] = (ranges[-1][0], id_)
            else:
                ranges.append((id_, id_))
        return tuple(ranges)
