"""From records of a captions file to the captions of a run: distinct, seeded, counted, limited."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from uuid import UUID

from freeda_ingest.batches import SeededCaption
from freeda_ingest.captions.records import BlankLines, Reject
from freeda_ingest.errors import RejectedCaptionError
from freeda_ingest.identity import caption_seed
from freeda_ingest.rejects import RejectsFile
from freeda_store.ids import generation_key
from freeda_store.records import Caption

SHOWN_REJECTS = 20
MOST_AHEAD = 1000
"""Records that are held at most to find the first captions among repeated and broken ones."""


class CaptionFeed:
    """Reads on demand and counts what it gives.

    Args:
        records: from :func:`freeda_ingest.captions.reader.read_captions`, or a caller's own captions.
        name: the file's name, for messages.
        seed: base of every caption's seed.
        limit: how many distinct captions to give at most.
        strict: raise at the first reject.
        rejects: where rejects are written.

    Attributes:
        captions: captions read, duplicates included.
        rejected: rejects met.
        blank_lines: lines skipped because nothing was in them, known once all was read.
        first_rejects: the first :data:`SHOWN_REJECTS` of them.
        exhausted: whether all records were read; not when the limit came first.
        duplicates: captions equal in text, source and external id to an earlier one; not given again.
    """

    def __init__(
        self,
        records: Iterable[Caption | Reject | BlankLines],
        *,
        name: str,
        seed: int,
        limit: int | None = None,
        strict: bool = False,
        rejects: RejectsFile | None = None,
    ) -> None:
        self._records = iter(records)
        self._name = name
        self._seed = seed
        self._limit = limit
        self._strict = strict
        self._rejects = rejects
        self._seen: set[bytes] = set()
        self._ahead: deque[Caption | Reject | BlankLines] = deque()
        self.captions = 0
        self.rejected = 0
        self.blank_lines = 0
        self.duplicates = 0
        self.first_rejects: list[Reject] = []
        self.exhausted = False

    def __iter__(self) -> Iterator[tuple[UUID, SeededCaption]]:
        """Generation keys and captions, in the order of the records.

        Raises:
            RejectedCaptionError: a record is no caption, and ``strict`` is set.
        """
        for record in self._from_first():
            if isinstance(record, Reject):
                self._reject(record)
                continue
            if isinstance(record, BlankLines):
                self.blank_lines += record.count
                continue
            self.captions += 1
            seed = caption_seed(record, self._seed)
            key = generation_key(record, seed)
            if key.bytes in self._seen:
                self.duplicates += 1
                continue
            self._seen.add(key.bytes)
            yield key, SeededCaption(record, seed)
            if self._limit is not None and len(self._seen) >= self._limit:
                return
        self.exhausted = True

    def first(self, count: int) -> list[Caption]:
        """The first distinct captions of the input, whatever the limit; fewer when the input ends, or when
        they do not come within :data:`MOST_AHEAD` records. Iterating begins with them all the same, and
        counts only what it gives."""
        found: dict[UUID, Caption] = {}
        while len(found) < count and len(self._ahead) < MOST_AHEAD:
            record = next(self._records, None)
            if record is None:
                break
            self._ahead.append(record)
            if isinstance(record, Caption):
                found.setdefault(generation_key(record, caption_seed(record, self._seed)), record)
        return list(found.values())

    def _from_first(self) -> Iterator[Caption | Reject | BlankLines]:
        while self._ahead:
            yield self._ahead.popleft()
        yield from self._records

    def _reject(self, reject: Reject) -> None:
        self.rejected += 1
        if len(self.first_rejects) < SHOWN_REJECTS:
            self.first_rejects.append(reject)
        if self._rejects is not None:
            self._rejects.add(reject)
        if self._strict:
            raise RejectedCaptionError(
                f"{place(self._name, reject)}: {reject.reason}; correct it, or run without --strict."
            )


def place(name: str, reject: Reject) -> str:
    """``file:line`` of a reject, or the file alone when all of it is meant."""
    return f"{name}:{reject.line}" if reject.line else name
