"""The bank: what a user of this package holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from freeda_store.address import TAG_PATTERN, Address
from freeda_store.closeable import Closeable
from freeda_store.errors import PrototypeMissingError, ReadOnlyViewError, TagError
from freeda_store.fields import FIELDS, Holds
from freeda_store.history import BankDiff, History
from freeda_store.limits import storable
from freeda_store.manifest import Manifest, ModelLike, ModelRecord
from freeda_store.payload import read_info
from freeda_store.records import Direction, FloatArray, Neighbours, PrototypeInfo, Retrieved, RevisionInfo
from freeda_store.retrieval import PrototypeVectors, find_neighbours, retrieve
from freeda_store.vectors.filters import TEXT_FIELDS, Filter, PointFilter, View

if TYPE_CHECKING:
    from PIL import Image

    from freeda_store.repair.verify import VerifyReport
    from freeda_store.views.stats import BankStats
    from freeda_store.writing.completing import Completion
    from freeda_store.writing.stores import Stores
    from freeda_store.writing.writer import RevisionWriter


class Bank(Closeable):
    """Prototypes that can be searched, seen, corrected and versioned.

    Made by :meth:`open` and used in a ``with`` block::

        with Bank.open("flowers@v2") as bank:
            nearest = bank.nearest(queries, k=350, where=parse_filter(["contrast>=1.5"]))

    Opened without a version it shows the newest committed revision, also one committed meanwhile.
    Opened as ``DIR@3`` or ``DIR@tag`` it shows that revision for ever and refuses to write.
    """

    def __init__(
        self,
        stores: Stores,
        manifest: Manifest,
        address: Address,
        pinned: int | None,
        *,
        beside: bool = False,
    ) -> None:
        self._held = stores
        self._beside = beside
        self._taking_hold = threading.Lock()
        self._manifest = manifest
        self._address = address
        self._pinned = pinned

    @classmethod
    def open(cls, address: str | Path, *, create: Manifest | None = None) -> Bank:
        """Open a bank; make it when the folder is missing or empty and ``create`` is given.

        Args:
            address: ``DIR``, ``DIR@3`` or ``DIR@tag``; instead of ``DIR``, the name of a profile in
                the settings file, unless a folder of that name exists.
            create: what makes a new bank; an existing one is compared with it.

        Raises:
            AddressError, SettingsError: the address, or the profile it names, cannot be read.
            BankMissingError: there is no bank, and ``create`` is not given or the folder holds
                something else.
            BankInUseError: it is open elsewhere.
            ManifestMismatchError: it was made with other models or settings than ``create``.
            RevisionMissingError: it has no such revision or tag.
            NewerSchemaError, UpgradeError, BankDamagedError, StorageError: its files.
        """
        from freeda_store.opening.agreeing import open_to_write, pinned_revision

        stores, manifest, parsed = open_to_write(Address.parse(address), create)
        try:
            if create is not None:
                manifest.check(create)
            pinned = pinned_revision(stores, parsed)
        except BaseException:
            stores.close()
            raise
        return cls(stores, manifest, parsed, pinned)

    @classmethod
    def read(cls, address: str | Path) -> Bank:
        """Open a bank for reading, beside any number of other readers and the process that writes to it.

        What others commit is seen by the next question. The first method that writes takes hold of the
        bank as :meth:`open` does, and keeps it. A folder that an earlier version wrote is opened as by
        :meth:`open`, until something was written to it.

        Args:
            address: as of :meth:`open`.

        Raises:
            BankDamagedError: the database, or a file of a revision, is damaged.
            Others: those of :meth:`open`.
        """
        from freeda_store.opening.agreeing import pinned_revision, require_right
        from freeda_store.opening.reading import open_address_to_read

        opened = open_address_to_read(Address.parse(address))
        try:
            if not opened.beside:
                require_right(opened.stores)
            pinned = pinned_revision(opened.stores, opened.address)
        except BaseException:
            opened.stores.close()
            raise
        return cls(opened.stores, opened.manifest, opened.address, pinned, beside=opened.beside)

    def close(self) -> None:
        """Let go of the bank's files and its lock. Closing twice is fine."""
        self._held.close()

    # what it is

    @property
    def address(self) -> Address:
        """Where it is, and the version it was opened at."""
        return self._address

    @property
    def manifest(self) -> Manifest:
        """What made it."""
        return self._manifest

    @property
    def revision(self) -> RevisionInfo | None:
        """The revision that the view shows; None before the first commit."""
        history = self._history()
        id_ = self._view_id(history)
        return None if id_ is None else history.info(history.by_id(id_))

    def check(self, manifest: Manifest) -> None:
        """Refuse other models or settings than those of the bank.

        Raises:
            ManifestMismatchError: names the field, the bank's value and the given one.
        """
        self._manifest.check(manifest)

    def check_models(self, models: Mapping[str, ModelLike]) -> None:
        """Refuse other models, by role (clip, backbone, generator, nouns, keys); others are not asked.

        Raises:
            ManifestMismatchError: names the role, the bank's model and the given one.
        """
        self._manifest.check_models({role: ModelRecord.of(model) for role, model in models.items()})

    def stats(self) -> BankStats:
        """Counts of what the view shows, and sizes on disk."""
        from freeda_store.views.stats import count_stats

        history = self._history()
        id_ = self._view_id(history)
        return count_stats(
            self._stores,
            self._manifest,
            history.view(id_),
            revision=None if id_ is None else history.number_of(id_),
            revisions=len(history.committed()),
            unfinished=history.unfinished,
        )

    def revisions(self) -> list[RevisionInfo]:
        """All committed revisions of the bank, oldest first."""
        return self._history().committed()

    # reading

    def nearest(
        self,
        queries: FloatArray,
        k: int,
        where: Filter = Filter(),  # noqa: B008 - frozen
        direction: Direction = Direction.CLASSES,
    ) -> list[Retrieved]:
        """The k prototypes nearest to each query by cosine, in one batch.

        Args:
            queries: float32 (Q, D_text) of classes, which are compared with text keys, or (Q, D_visual) of
                regions, which are compared with visual vectors; their length does not matter.
            k: how many, at least 1; fewer come back when the view or the filter holds fewer.
            where: which prototypes may come back.
            direction: what the queries are.

        Returns:
            One :class:`Retrieved` per query. Equal similarities are in the order of ids, so that a
            revision gives the same for ever.

        Raises:
            ValueError: queries have another shape, or k is below 1.
        """
        self._check_queries(queries, k, direction)
        history = self._history()
        view = self._view(history)
        return retrieve(self._stores, queries, k, PointFilter(where, view), history, direction)

    def neighbours(
        self,
        queries: FloatArray,
        k: int,
        where: Filter = Filter(),  # noqa: B008 - frozen
        revision: int | None = None,
    ) -> Neighbours:
        """The k prototypes nearest to each region, and what they say of it; all regions are one search.

        What :meth:`nearest` finds from regions, in one table: a prototype that is near to many regions of a
        picture comes once.

        Args:
            queries: float32 (R, D_visual), features of regions; their length does not matter.
            k: how many, at least 1; fewer come back when the view or the filter holds fewer.
            where: which prototypes may come back.
            revision: number of the one that is searched; None for the one that the view shows.

        Raises:
            ValueError: queries have another shape, or k is below 1.
            RevisionMissingError: there is no such revision.
        """
        self._check_queries(queries, k, Direction.REGIONS)
        history = self._history()
        view = self._view(history) if revision is None else history.view(history.resolve(revision).id)
        return find_neighbours(self._stores, queries, k, PointFilter(where, view), history)

    def _check_queries(self, queries: FloatArray, k: int, direction: Direction) -> None:
        sizes = self._stores.vectors.sizes
        width = sizes.visual if direction is Direction.REGIONS else sizes.text
        if queries.ndim != 2 or queries.shape[1] != width:
            raise ValueError(f"queries have shape {queries.shape}; expected (Q, {width}).")
        if k < 1:
            raise ValueError(f"k is {k}; expected at least 1.")

    def infos(self, where: Filter = Filter()) -> Iterator[PrototypeInfo]:  # noqa: B008 - frozen
        """All prototypes that the view shows and the filter lets through, in the order of their ids."""
        history = self._history()
        view = self._view(history)
        if view.ranges:
            for id_, payload in self._stores.vectors.scroll(PointFilter(where, view)):
                yield read_info(id_, payload, history.number_of)

    def tally(self, field: str) -> dict[str, int]:
        """How many of the prototypes that the view shows have each value of a field, the most frequent first.

        Args:
            field: one of those that hold texts, such as ``noun``, ``origin`` or ``source``.

        Raises:
            ValueError: there is no such field.
        """
        known = next((each for each in FIELDS if each.name == field and each.holds is Holds.TEXT), None)
        if known is None:
            raise ValueError(f"{field!r} is none of the fields {', '.join(TEXT_FIELDS)}.")
        counted = self._stores.known.tally(known, self._view(self._history()))
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def info(self, id_: UUID) -> PrototypeInfo:
        """What is known of one prototype, whatever revision shows it.

        Raises:
            PrototypeMissingError: the bank has none of this id.
        """
        return self.infos_of([id_])[0]

    def infos_of(self, ids: Sequence[UUID]) -> list[PrototypeInfo]:
        """What is known of some prototypes, in the order asked for, whatever revision shows them.

        Raises:
            PrototypeMissingError: the bank has not all of them.
        """
        fetched = self._stores.vectors.fetch(ids)
        known = dict(zip(fetched.ids, fetched.payloads, strict=True))
        if gone := [id_ for id_ in ids if id_ not in known]:
            raise PrototypeMissingError(f"the bank in {self._address} has no prototype {gone[0]}.")
        number_of = self._history().number_of
        return [read_info(id_, known[id_], number_of) for id_ in ids]

    def vectors(self, ids: Sequence[UUID]) -> PrototypeVectors:
        """Text keys, visual and semantic vectors of prototypes, in the order asked for.

        Raises:
            PrototypeMissingError: the bank has not all of them.
        """
        fetched = self._stores.vectors.fetch(ids, texts=True, visuals=True, semantics=True)
        if len(fetched.ids) != len(ids):
            gone = next(id_ for id_ in ids if id_ not in set(fetched.ids))
            raise PrototypeMissingError(f"the bank in {self._address} has no prototype {gone}.")
        return PrototypeVectors(fetched.ids, fetched.texts, fetched.visuals, fetched.semantics)

    def derived(self, name: str, make: Callable[[], bytes], where: Filter = Filter()) -> bytes:  # noqa: B008
        """What follows from the prototypes that the view shows and a filter lets through.

        Args:
            name: what it is, and a number that changes with its layout and with how it is made.
            make: makes it, once for a revision where the cache on disk has room to remember it.
            where: which prototypes it follows from.
        """
        history = self._history()
        matching = PointFilter(where, self._view(history))
        return self._stores.recall.derived(name.encode(), matching, history, make)

    def thumbnail(self, key: str) -> Image.Image:
        """A picture or attribution map by its key, RGB.

        Raises:
            ThumbnailKeyError: it is no key.
            ThumbnailMissingError, ThumbnailDamagedError: its file; a ThumbnailAbsentError when the
                key is empty, for a prototype that was stored without a picture.
        """
        from freeda_store.thumbnails.folder import decode

        return decode(self._stores.thumbnails.get(key), key)

    def diff(self, a: int | str, b: int | str) -> BankDiff:
        """What revision b shows that a does not, and the other way round; numbers or tags.

        Raises:
            RevisionMissingError: there is no such revision or tag.
        """
        history, catalog = self._history(), self._stores.known
        before, after = (history.view(history.resolve(version).id) for version in (a, b))
        nouns_before, nouns_after = catalog.nouns(before), catalog.nouns(after)
        return BankDiff(
            nouns_gained=tuple(sorted(nouns_after - nouns_before)),
            nouns_lost=tuple(sorted(nouns_before - nouns_after)),
            prototypes_gained=tuple(catalog.gained(before, after)),
            prototypes_lost=tuple(catalog.gained(after, before)),
        )

    # writing

    def require_writable(self) -> None:
        """Refuse what will write, before any work is done for it.

        Raises:
            ReadOnlyViewError: the bank was opened at a version.
            ReadOnlyBankError: its files can only be read.
        """
        if self._pinned is not None:
            raise ReadOnlyViewError(
                f"{self._address} is an old version and cannot be written; "
                f"open {self._address.folder} instead."
            )
        self._hold()
        self._stores.before_writing()

    def write(self, message: str, run_key: str) -> RevisionWriter:
        """Open a revision to add to, or resume the one that a dead run of the same key left open.

        Args:
            message: what a person reads in the history; a resumed revision keeps its own.
            run_key: names the run: the same command on the same input has the same key.

        Raises:
            ReadOnlyViewError: the bank was opened at a version.
            BankInUseError: this run is being written already.
        """
        from freeda_store.writing.writer import RevisionWriter

        self.require_writable()
        return RevisionWriter(self._stores, storable(message), storable(run_key))

    def retire(self, which: Sequence[UUID] | Filter, message: str) -> RevisionInfo | None:
        """Hide prototypes from a new revision on; older revisions keep showing them.

        Args:
            which: their ids, or a filter over what the newest revision shows.
            message: what a person reads in the history.

        Returns:
            The new revision; None, and no revision is made, when there is nothing to hide.

        Raises:
            PrototypeMissingError: an id is not among those shown.
            ReadOnlyViewError: the bank was opened at a version.
        """
        from freeda_store.writing.changes import retire

        self.require_writable()
        return retire(self._stores, message, lambda history: self._shown(which, history))

    def rollback(self, version: int | str, message: str = "") -> RevisionInfo:
        """Show again exactly what an older revision showed, as a new revision.

        Returns:
            The new revision, or the newest one as it is when that is the one asked for, or is this very
            rollback: the same command, run again, changes nothing.

        Raises:
            RevisionMissingError: there is no such revision or tag.
            ReadOnlyViewError: the bank was opened at a version.
        """
        from freeda_store.writing.changes import roll_back

        self.require_writable()
        return roll_back(self._stores, version, message)

    def complete(self) -> Completion:
        """Fill in what an earlier version did not keep: semantic vectors, and what regions are searched by.

        No revision comes of it, for none shows other prototypes; what they say of regions changes.

        Raises:
            ReadOnlyViewError: the bank was opened at a version.
            StorageError: a server is too old to take further vectors.
        """
        from freeda_store.writing.completing import Completion

        self.require_writable()
        return Completion(self._stores)

    def tag(self, name: str, version: int | str | None = None, *, move: bool = False) -> RevisionInfo:
        """Name a revision, the view's own when none is given.

        Args:
            name: a letter, then letters, digits, dot, underscore or hyphen; at most 64.
            version: a number or another tag.
            move: whether a tag of this name may be taken from another revision.

        Raises:
            TagError: the name is not allowed, is taken, or there is no revision yet.
            RevisionMissingError: there is no such revision.
        """
        if not TAG_PATTERN.fullmatch(name):
            raise TagError(
                f"'{name}' cannot be a tag; use a letter, then letters, digits, '.', '_', '-' (at most 64)."
            )
        self._hold()
        with self._stores.commit_lock:  # or another process takes the name between the look and the writing
            history = self._history()
            id_ = self._view_id(history) if version is None else history.resolve(version).id
            if id_ is None:
                raise TagError(f"the bank in {self._address} has no revision to tag yet; ingest first.")
            taken = history.tagged(name)
            if taken is not None and taken != id_ and not move:
                raise TagError(
                    f"tag '{name}' names revision {history.number_of(taken)} already; move it or use another."
                )
            self._stores.before_writing()
            self._stores.catalog.set_tag(name, id_)
            self._stores.publish()
            fresh = self._history()
            return fresh.info(fresh.by_id(id_))

    def untag(self, name: str) -> None:
        """Forget a tag; its revision stays.

        Raises:
            RevisionMissingError: there is no such tag.
        """
        self._hold()
        self._history().resolve(name)
        self._stores.before_writing()
        self._stores.catalog.drop_tag(name)
        self._stores.publish()

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Prove that SQL, vectors and thumbnails agree; see :class:`VerifyReport` for repairs.

        Raises:
            BankInUseError: repairs were asked for while a writer is at work, or another process writes to
                the bank.
        """
        from freeda_store.repair.verify import verify_bank

        self._hold()
        return verify_bank(self._stores, repair=repair)

    # inside

    @property
    def _stores(self) -> Stores:
        """What holds the bank.

        Raises:
            ForkedError: this process is a fork of the one that opened it.
        """
        self._held.owner.require(self._address)
        return self._held

    def _hold(self) -> None:
        """Take hold of the bank for writing, if it was opened for reading.

        Raises:
            BankInUseError: another process writes to it.
        """
        from freeda_store.opening.agreeing import open_to_write

        with self._taking_hold:
            if not self._beside:
                return
            self._held.owner.require(self._address)
            stores, manifest, _ = open_to_write(self._address, None)
            self._held.close()
            self._held, self._manifest, self._beside = stores, manifest, False

    def _history(self) -> History:
        return self._stores.known.history()

    def _view_id(self, history: History) -> int | None:
        if self._pinned is not None:
            return self._pinned
        return history.head.id if history.head else None

    def _view(self, history: History) -> View:
        return history.view(self._view_id(history))

    def _shown(self, which: Sequence[UUID] | Filter, history: History) -> list[UUID]:
        """Ids that a filter finds, or the given ones after checking that the view shows them."""
        view = self._view(history)
        if isinstance(which, Filter):
            if not view.ranges:
                return []
            return [id_ for id_, _ in self._stores.vectors.scroll(PointFilter(which, view), payloads=False)]
        shown = self._stores.catalog.shown(which, view)
        for id_ in which:
            if id_ not in shown:
                raise PrototypeMissingError(
                    f"the newest revision of {self._address} shows no prototype {id_}; "
                    "it may be retired already."
                )
        return list(dict.fromkeys(which))
