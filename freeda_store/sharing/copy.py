"""Copies what a source has and a sink has not, revision by revision.

Histories must agree: one of them is the beginning of the other. There is no merging, for every
revision has one number and one parent on both sides. Tags are carried when the sink has none of that
name. A tag that names different revisions on both sides is left alone and reported: a version that
somebody works with must not change under their hands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from freeda_store.address import TAG_PATTERN
from freeda_store.errors import BankDamagedError, DivergedError
from freeda_store.history import RevisionRecord
from freeda_store.sharing.parts import Sink, Source


@dataclass(frozen=True)
class CopyProgress:
    """Where a copy is.

    Attributes:
        revision: number of the revision in hand.
        revisions_done, revisions_total: of those that are copied.
        parts: of the revision in hand, those included that an earlier copy left.
        prototypes: copied by this run, over all revisions.
        prototypes_total: how many there seem to be to copy; becomes fewer when an earlier copy left some.
        bytes: of vectors and thumbnails, copied by this run.
    """

    revision: int
    revisions_done: int
    revisions_total: int
    parts: int
    prototypes: int
    prototypes_total: int
    bytes: int


ProgressCallback = Callable[[CopyProgress], None]


@dataclass(frozen=True)
class KeptTag:
    """A tag that names different revisions on both sides, by number; the sink's stays."""

    name: str
    source: int
    sink: int


@dataclass(frozen=True)
class CopyReport:
    """What a copy did.

    Attributes:
        source, sink: what they are called.
        revisions: numbers of those that were copied, rising.
        ahead: how many revisions the sink has beyond the source's last.
        generations, prototypes, bytes: copied by this run; bytes of vectors and thumbnails.
        resumed_parts: parts that an earlier copy, which was cut short, had left.
        missing_thumbnails: pictures and maps that the source should have and has not.
        tags: names that the sink got.
        kept_tags: those that could not be carried.
    """

    source: str
    sink: str
    revisions: tuple[int, ...] = ()
    ahead: int = 0
    generations: int = 0
    prototypes: int = 0
    bytes: int = 0
    resumed_parts: int = 0
    missing_thumbnails: int = 0
    tags: tuple[str, ...] = ()
    kept_tags: tuple[KeptTag, ...] = ()

    @property
    def nothing_new(self) -> bool:
        """Whether the sink had everything already."""
        return not self.revisions and not self.tags


def copy(source: Source, sink: Sink, progress: ProgressCallback | None = None) -> CopyReport:
    """Bring a sink's history up to a source's, with tags.

    Repeating a copy that ended early, whatever ended it, goes on where it was.

    Raises:
        DivergedError: neither history is the beginning of the other.
        BankDamagedError: the source has lost something, or is no bank's.
        UnfinishedRunError, BankInUseError, StorageError: the sink.
    """
    records, present = source.records(), sink.records()
    check_records(records, source.name)
    pending = missing_records(records, present, source.name, sink.name)
    report = CopyReport(source.name, sink.name, ahead=max(0, len(present) - len(records)))
    tags, kept = _plan_tags(source, sink, records)
    sink.expect(pending)
    run = _Run(source, sink, pending, report, progress)
    for record in pending:
        run.copy_revision(record)
    sink.end(tags)
    return replace(run.report, tags=tuple(sorted(tags)), kept_tags=kept)


def check_records(records: Sequence[RevisionRecord], name: str) -> None:
    """Refuse a history that no bank can have.

    Raises:
        BankDamagedError: numbers do not count from 1, an id comes twice, or a parent does not come before.
    """
    seen: set[int] = set()
    for place, record in enumerate(records, start=1):
        known_parent = record.parent_id is None or record.parent_id in seen
        if record.number != place or record.id < 1 or record.id in seen or not known_parent:
            raise BankDamagedError(
                f"the history of {name} breaks off at revision {place}; get the bank again."
            )
        seen.add(record.id)


def missing_records(
    records: Sequence[RevisionRecord], present: Sequence[RevisionRecord], source: str, sink: str
) -> Sequence[RevisionRecord]:
    """The source's revisions that the sink has not; none when the sink has more than the source.

    Raises:
        DivergedError: names the first revision that differs.
    """
    for mine, theirs in zip(records, present, strict=False):
        if mine != theirs:
            raise DivergedError(
                f"the histories of {source} and {sink} part at revision {mine.number}: it is "
                f"{_described(mine)} in the first and {_described(theirs)} in the second. They cannot be "
                "merged; copy to another bank, or ingest the captions of one into the other."
            )
    return records[len(present) :]


def _described(record: RevisionRecord) -> str:
    return f"'{record.message}' of {record.committed_at}"


def _plan_tags(
    source: Source, sink: Sink, records: Sequence[RevisionRecord]
) -> tuple[dict[str, int], tuple[KeptTag, ...]]:
    """The tags to set, and those that name another revision at the sink."""
    numbers = {record.id: record.number or 0 for record in (*sink.records(), *records)}
    present, new, kept = sink.tags(), dict[str, int](), list[KeptTag]()
    for name, id_ in sorted(source.tags().items()):
        if not TAG_PATTERN.fullmatch(name) or id_ not in numbers:
            raise BankDamagedError(f"tag {name[:80]!r} of {source.name} names nothing; get the bank again.")
        if name not in present:
            new[name] = id_
        elif present[name] != id_:
            kept.append(KeptTag(name, numbers[id_], numbers.get(present[name], 0)))
    return new, tuple(kept)


class _Run:
    """A copy that is going on."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        pending: Sequence[RevisionRecord],
        report: CopyReport,
        progress: ProgressCallback | None,
    ) -> None:
        self.report = report
        self._source = source
        self._sink = sink
        self._revisions = len(pending)
        self._prototypes = sum(record.prototypes_added for record in pending)
        self._progress = progress

    def copy_revision(self, record: RevisionRecord) -> None:
        """Copy one revision, or the rest of it."""
        before = self.report.prototypes
        resumed = self._sink.begin(record)
        self.report = replace(self.report, resumed_parts=self.report.resumed_parts + resumed)
        self._tell(record, resumed)
        for number, part in enumerate(self._source.parts(record.id, resumed), start=resumed + 1):
            self._sink.add(part)
            self.report = replace(
                self.report,
                generations=self.report.generations + len(part.generations),
                prototypes=self.report.prototypes + len(part.prototypes),
                bytes=self.report.bytes + part.size_bytes,
                missing_thumbnails=self.report.missing_thumbnails
                + len(part.thumbnail_keys)
                - len(part.thumbnails),
            )
            self._tell(record, number)
        self._sink.finish(self._source.retirements(record.id))
        self.report = replace(self.report, revisions=(*self.report.revisions, record.number or 0))
        self._prototypes += self.report.prototypes - before - record.prototypes_added

    def _tell(self, record: RevisionRecord, parts: int) -> None:
        if self._progress is not None:
            self._progress(
                CopyProgress(
                    revision=record.number or 0,
                    revisions_done=len(self.report.revisions),
                    revisions_total=self._revisions,
                    parts=parts,
                    prototypes=self.report.prototypes,
                    prototypes_total=self._prototypes,
                    bytes=self.report.bytes,
                )
            )
