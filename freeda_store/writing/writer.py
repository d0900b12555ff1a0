"""A writer adds generations to one open revision, which readers see when it is committed.

Order of writing: thumbnails, then points, then one SQL transaction that marks the generations done.
A kill at any moment leaves at most files and points that no view shows; the next writer with the
same run key writes them again under the same names.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import UUID

from freeda_store.closeable import Closeable
from freeda_store.digests import canonical_point, checksums
from freeda_store.errors import BankDamagedError, BankInUseError, StorageError, WriterClosedError
from freeda_store.ids import generation_key, prototype_id
from freeda_store.payload import StoredPrototype, make_payload
from freeda_store.records import NewGeneration, NewPrototype, RevisionInfo, Scores
from freeda_store.sql.rows import StoredGeneration
from freeda_store.thumbnails.folder import encode_attribution, encode_picture
from freeda_store.vectors.filters import View
from freeda_store.vectors.protocol import Point
from freeda_store.writing.checks import check_generation
from freeda_store.writing.outliers import score_outliers
from freeda_store.writing.stores import Stores, commit, reconcile, show_retirements, sweep_thumbnails

logger = logging.getLogger(__name__)


class RevisionWriter(Closeable):
    """Made by ``Bank.write``; use it in a ``with`` block and end with :meth:`commit`.

    Leaving the block without a commit keeps the revision open: the same run key resumes it.

    Attributes:
        resumed: whether an earlier run that ended early left this revision.
    """

    def __init__(self, stores: Stores, message: str, run_key: str) -> None:
        """Open or resume the revision of a run.

        Raises:
            BankInUseError: a writer of this process has the same run in hand.
        """
        self._stores = stores
        stores.before_writing()
        with stores.commit_lock:
            if run_key in stores.writing:
                raise BankInUseError(
                    f"run '{run_key}' is being written already; commit or leave that writer first."
                )
            self._revision = stores.catalog.find_open(run_key)
            stores.writing.add(run_key)
        self._run_key = run_key
        self._message = message
        self._open = True
        self.resumed = self._revision is not None
        if self._revision is not None:
            lost = self._reconcile(self._revision)
            logger.info("resumed run '%s'; %d generations were lost and will be made again", run_key, lost)

    def close(self) -> None:
        """Leave the revision open for a later run. After a commit this does nothing."""
        self._open = False
        self._stores.writing.discard(self._run_key)

    def missing(self, keys: Sequence[UUID]) -> set[UUID]:
        """Those of these generations (see ``generation_key``) that are yet to be added.

        What the newest committed revision shows counts as stored, and so does what this writer
        has added; what another open revision holds does not.
        """
        self._require_open()
        return set(keys) - self._stores.catalog.stored(keys, self._view())

    def add(self, generations: Sequence[NewGeneration]) -> None:
        """Store generations, all or none of them as readers see it. Adding again changes nothing.

        Raises:
            InvalidGenerationError: one breaks the rules of its fields; nothing was written.
            StorageError: the disk is full or an engine refused; run the same again.
        """
        self._require_open()
        for generation in generations:
            check_generation(generation, self._stores.vectors.sizes)
        by_key = {generation_key(g.caption, g.seed): g for g in generations}
        wanted = self.missing(list(by_key))
        new = {key: generation for key, generation in by_key.items() if key in wanted}
        if not new:
            return
        self._stores.before_writing()
        self._require_run()
        if self._revision is None:
            self._revision = self._stores.catalog.open_revision(self._run_key, self._message)
        try:
            stored = [self._put_thumbnails(key, self._revision, new[key]) for key in new]
        except OSError as error:
            raise StorageError(
                f"thumbnails could not be written to {self._stores.folder} ({error}); free disk space "
                "or correct the permissions, then run the same command again. Nothing committed is lost."
            ) from error
        points = _points(stored, list(new.values()))
        self._stores.vectors.upsert(points)
        replaced = self._stores.catalog.survivors(list(new), self._view())
        self._stores.catalog.insert_generations(
            self._revision, stored, {point.id: checksums(point) for point in points}, replaced
        )
        if replaced:
            show_retirements(self._stores, replaced)

    def commit(self) -> RevisionInfo | None:
        """Make everything added visible as the newest revision, and end the writer.

        Generations that another writer committed meanwhile are left out, so nothing is twice in a
        view. Returns None, and makes no revision, when nothing is left to add.

        Raises:
            BankDamagedError: points of added generations are gone; run the same again.
        """
        self._require_open()
        revision, catalog = self._revision, self._stores.catalog
        if revision is None:
            self.close()
            return None
        with self._stores.commit_lock:
            self._stores.before_writing()
            self._require_run()
            redrawn = self._drop_what_the_head_has(revision) or self.resumed
            if lost := reconcile(self._stores, revision):
                self.close()
                raise BankDamagedError(
                    f"the vectors of {lost} generations are gone from {self._stores.folder}; "
                    "run the same command again to make them anew."
                )
            if redrawn:
                self._delete_stray_thumbnails()
            if not catalog.has_generations(revision):
                catalog.drop_revision(revision)
                self.close()
                return None
            score_outliers(self._stores, revision, self._view())
            show_retirements(self._stores, catalog.retired_by(revision))
            head = catalog.history().head
            commit(self._stores, revision, head.id if head else None)
            self.close()
            history = catalog.history()
            return history.info(history.by_id(revision))

    def _reconcile(self, revision: int) -> int:
        """See ``stores.reconcile``; where it fails, the run is let go of for another try."""
        try:
            return reconcile(self._stores, revision)
        except BaseException:
            self.close()
            raise

    def _require_run(self) -> None:
        """See that no other process has this run, which the end of a session may have allowed.

        Raises:
            BankInUseError: one has it, or had it meanwhile.
        """
        catalog, lost = self._stores.catalog, self._stores.writing.hold(self._run_key)
        if lost and catalog.find_open(self._run_key) != self._revision:
            self.close()
            raise BankInUseError(
                f"PostgreSQL ended this run's session, and another process wrote run '{self._run_key}' "
                "meanwhile; run the same command again to add what is missing."
            )

    def _delete_stray_thumbnails(self) -> None:
        """Delete the files that nothing refers to: those of pictures that were drawn twice.

        A kill may come between a picture's thumbnails and its rows, and two runs may draw one caption.
        Drawn again, on another machine or in another batch, a picture may differ in its last bits, and
        then has thumbnails of another name. Another writer may be about to refer to any file; as long
        as one is at work, nothing is deleted.
        """
        if len(self._stores.writing) > 1:
            return
        wanted, thumbnails = self._stores.catalog.thumbnail_keys(), self._stores.thumbnails
        stray = [key for key in thumbnails.keys() if key not in wanted]  # noqa: SIM118 - not a dict
        for key in stray:
            thumbnails.delete(key)
        sweep_thumbnails(self._stores)

    def _drop_what_the_head_has(self, revision: int) -> bool:
        """Forget generations that the head shows by now; reconciling then deletes their points.

        Returns whether there were any.
        """
        catalog, history = self._stores.catalog, self._stores.catalog.history()
        head_view = history.view(history.head.id if history.head else None)
        if doubles := catalog.doubles(revision, head_view):
            logger.info("%d generations were committed by another run meanwhile", len(doubles))
            catalog.drop_generations(revision, doubles)
        return bool(doubles)

    def _put_thumbnails(self, key: UUID, revision: int, generation: NewGeneration) -> StoredGeneration:
        put, image = self._stores.thumbnails.put, generation.image_hwc
        picture_key = "" if image is None else put(encode_picture(image))
        maps = {id(new.attribution_hw): new.attribution_hw for new in generation.prototypes}
        keys = {each: "" if found is None else put(encode_attribution(found)) for each, found in maps.items()}
        prototypes = [
            _name(key, revision, generation, new, picture_key, keys[id(new.attribution_hw)])
            for new in generation.prototypes
        ]
        return StoredGeneration(
            key,
            generation.caption,
            generation.seed,
            picture_key,
            generation.notes,
            tuple(prototypes),
            origin=str(generation.origin),
        )

    def _view(self) -> View:
        return self._stores.catalog.history().writing_view(self._revision)

    def _require_open(self) -> None:
        self._stores.owner.require(self._stores.folder)
        if not self._open:
            raise WriterClosedError("this writer has ended; call Bank.write again with the same run key.")


def _name(
    key: UUID,
    revision: int,
    generation: NewGeneration,
    new: NewPrototype,
    picture_key: str,
    attribution_key: str,
) -> StoredPrototype:
    scores = new.scores
    return StoredPrototype(
        id=prototype_id(key, revision, new.noun, new.span, new.part),
        generation=key,
        caption=generation.caption,
        seed=int(generation.seed),
        picture_key=picture_key,
        noun=new.noun,
        kind=str(new.kind),
        span=(int(new.span[0]), int(new.span[1])),
        scores=Scores(
            contrast=_rounded(scores.contrast),
            area=_rounded(scores.area),
            clip_agreement=_rounded(scores.clip_agreement),
            outlier_distance=0.0,  # until the commit; see outliers.py
        ),
        attribution_key=attribution_key,
        part=int(new.part),
        origin=str(generation.origin),
        added_in=revision,
    )


def _points(stored: Sequence[StoredGeneration], new: Sequence[NewGeneration]) -> list[Point]:
    return [
        canonical_point(
            prototype.id, source.text_key, source.visual, make_payload(prototype), source.semantic
        )
        for generation, origin in zip(stored, new, strict=True)
        for prototype, source in zip(generation.prototypes, origin.prototypes, strict=True)
    ]


def _rounded(score: float) -> float:
    """A score with 12 significant digits: longer ones come back from JSON with another last bit."""
    return float(f"{float(score):.12g}")
