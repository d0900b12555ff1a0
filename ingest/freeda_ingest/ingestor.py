"""The offline stage as one object: captions in, prototypes into a bank."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeda_ingest.batches import BatchResult, SeededCaption
from freeda_ingest.captions.detection import CaptionFormat
from freeda_ingest.captions.reader import open_captions, read_captions
from freeda_ingest.captions.records import BlankLines, Reject, checked_own
from freeda_ingest.captions.sources import STDIN, captions_file
from freeda_ingest.errors import OptionError
from freeda_ingest.executors.local import CaptionStage, LocalExecutor
from freeda_ingest.executors.protocol import Executor
from freeda_ingest.executors.recipe import PresetRecipe
from freeda_ingest.feed import CaptionFeed
from freeda_ingest.identity import RUN_KEY_CAPTIONS
from freeda_ingest.manifests import preset_manifest, stage_settings
from freeda_ingest.models import PresetModels
from freeda_ingest.rejects import RejectsFile, rejects_path
from freeda_ingest.report import IngestReport, ProgressCallback
from freeda_ingest.run import Run, RunPlan, WritableBank
from freeda_models.presets import Preset, load_preset, preset_for_bank
from freeda_store.bank import Bank
from freeda_store.closeable import Closeable
from freeda_store.errors import BankMissingError
from freeda_store.limits import MAX_ID, MAX_INTEGER
from freeda_store.peek import read_manifest
from freeda_store.records import Caption

DEFAULT_BATCH_SIZE = 4
DEFAULT_PRESET = "tiny"

Records = Iterable[Caption | Reject | BlankLines]
CaptionExecutor = Executor[SeededCaption, BatchResult]
CaptionRecipe = PresetRecipe[SeededCaption, BatchResult]


@dataclass(frozen=True)
class RunOptions:
    """Options of one run.

    Attributes:
        limit: how many distinct captions to take at most, None for all.
        batch_size: captions drawn together, None for the ingestor's own. ``auto`` is what the device
            holds: on CUDA it is measured when first asked for and remembered, so that a run that is
            continued on the same machine has the same batches (:mod:`freeda_models.diffusion.batch_size`);
            elsewhere, and with several devices, it is the ingestor's own.
        seed: base of every caption's seed; another one draws other pictures.
        message: kept with the revision; made from the file's name when empty.
        source: provenance of captions that name none.
        field: the field or column that holds the captions, empty to find it by its name; see
            :func:`freeda_ingest.captions.reader.read_captions`.
        format: how the captions file is written, None to find out.
        strict: stop at the first record that is no caption. A file is then read through before
            anything is drawn.
    """

    limit: int | None = None
    batch_size: int | Literal["auto"] | None = None
    seed: int = 0
    message: str = ""
    source: str = ""
    strict: bool = False
    field: str = ""
    format: CaptionFormat | None = None

    def __post_init__(self) -> None:
        for name in ("limit", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise OptionError(f"{name.replace('_', ' ')} is {value}; give a number from 1 on.")
            if isinstance(value, int) and value > MAX_ID:
                raise OptionError(f"{name.replace('_', ' ')} is {value}; give a number up to {MAX_ID:,}.")
        if not 0 <= self.seed <= MAX_INTEGER:
            raise OptionError(f"seed is {self.seed}; give a number from 0 to 2**63 - 1.")


class Ingestor(Closeable):
    """Reads prototypes from captions into a bank.

    The captions are cut into batches by their order alone, and a batch of which anything is missing
    is computed whole. So a run that was killed, and run again, ends with the bank that an undisturbed
    run makes: the same ids, nouns and counts, and the same vectors, scores and pictures up to
    rounding. Only what is missing is stored.

    Built by :func:`open_ingestor`, or from parts of your own. Leaving its ``with`` block closes the bank.

    Args:
        bank: an open bank whose manifest fits the executor's models.
        executor: computes the batches; closed with the ingestor.
        batch_size: captions drawn together, unless a run says otherwise.
        fallback_folder: where rejects go that cannot lie beside their captions.
    """

    def __init__(
        self,
        bank: WritableBank,
        executor: CaptionExecutor,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        fallback_folder: Path | None = None,
    ) -> None:
        self._bank = bank
        self._executor = executor
        self._batch_size = batch_size
        self._fallback_folder = fallback_folder

    def close(self) -> None:
        """Stop the executor and close the bank. Closing twice is fine."""
        try:
            self._executor.close()
        finally:
            self._bank.close()

    def run(
        self,
        captions: str | Path | Records,
        options: RunOptions = RunOptions(),
        progress: ProgressCallback | None = None,
    ) -> IngestReport:
        """Ingest captions, and commit a revision when anything was new.

        Ctrl-C finishes and stores the batch in hand, and the report says ``interrupted``; a second
        one raises KeyboardInterrupt. Run again with the same captions and seed to go on, whatever
        the batch size and the limit.

        Args:
            captions: path of a captions file, ``-`` for standard input, or captions of your own.
            options: see :class:`RunOptions`.
            progress: called after every batch, in this thread.

        Raises:
            CaptionsError: the captions cannot be read.
            RejectedCaptionError: a record is no caption, and the run is strict.
        """
        started = time.perf_counter()
        source = _open(captions, options)
        if options.strict and source.path is not None:
            _check_all(source.path, source.name, options)
        where = rejects_path(source.path, self._fallback_folder) if source.keeps_rejects else None
        with RejectsFile(where, source.name) as rejects:
            feed = CaptionFeed(
                source.records,
                name=source.name,
                seed=options.seed,
                limit=options.limit,
                strict=options.strict,
                rejects=rejects,
            )
            plan = RunPlan(
                batch_size=self._size(options.batch_size),
                seed=options.seed,
                message=options.message or f"ingest {source.name}",
                total=source.total,
                live=source.live,
                first=_naming_captions(source, options),
            )
            run = Run(self._bank, self._executor, feed, plan, progress)
            run.go()
            kept = rejects.close(complete=feed.exhausted and not run.interrupted)
        return run.report(rejects_path=kept, total_seconds=time.perf_counter() - started)

    def _size(self, asked: int | Literal["auto"] | None) -> int:
        if asked == "auto":
            asked = self._executor.fitting_batch_size()
        return asked or self._batch_size


@dataclass(frozen=True)
class _Source:
    """Where captions come from; ``live`` when they come one by one as somebody writes them."""

    name: str
    path: Path | None
    records: Records
    total: int | None
    live: bool
    keeps_rejects: bool


def _open(captions: str | Path | Records, options: RunOptions) -> _Source:
    if not isinstance(captions, str | Path):
        live = not isinstance(captions, Sequence)
        return _Source("captions", None, _checked(captions), options.limit, live=live, keeps_rejects=False)
    reader = open_captions(captions, field=options.field, format=options.format)
    records, total = reader.records(options.source), reader.estimate()
    if options.limit is not None:
        total = options.limit if total is None else min(total, options.limit)
    if str(captions) == STDIN:
        return _Source("standard input", None, records, total, live=True, keeps_rejects=True)
    path = captions_file(captions)
    return _Source(path.name, path, records, total, live=not path.is_file(), keeps_rejects=True)


def _checked(records: Records) -> Iterator[Caption | Reject | BlankLines]:
    """Captions of a caller's own, those that no database can hold rejected."""
    for place, record in enumerate(records, start=1):
        yield checked_own(record, place) if isinstance(record, Caption) else record


def _naming_captions(source: _Source, options: RunOptions) -> int:
    """How many captions name the run; of a live source none is waited for beyond the limit."""
    if source.live and options.limit is not None:
        return min(options.limit, RUN_KEY_CAPTIONS)
    return RUN_KEY_CAPTIONS


def _check_all(path: Path, name: str, options: RunOptions) -> None:
    """Read a file through, so that a strict run fails before anything is drawn."""
    if path.is_file():
        records = read_captions(path, source=options.source, field=options.field, format=options.format)
        deque(CaptionFeed(records, name=name, seed=options.seed, limit=options.limit, strict=True), maxlen=0)


def open_ingestor(
    address: str | Path,
    preset: str | Preset | None = None,
    *,
    device: str = "auto",
    executor: Callable[[CaptionRecipe], CaptionExecutor] | None = None,
) -> Ingestor:
    """Open a bank, or make it, with the models of a preset; networks are loaded when first needed.

    ::

        with open_ingestor("flowers", "tiny") as ingestor:
            report = ingestor.run("captions.jsonl", RunOptions(message="first captions"))

    Args:
        address: the bank's folder.
        preset: name or ``.toml`` path of a preset, or one that was read; by default the one that the
            bank was made with, ``tiny`` for a new bank.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        executor: makes what computes the batches, see :mod:`freeda_ingest.executors.protocol`; by default
            this process does, on ``device``.

    Raises:
        PresetError: there is no such preset, or it has no generator.
        ManifestMismatchError: the bank was made with other models or settings.
        BankError: see :meth:`freeda_store.Bank.open`.
        ModelError: a model is missing.
    """
    chosen = _chosen_preset(preset, address)
    batch_size = chosen.drawing.batch_size
    settings = stage_settings(chosen)
    models = PresetModels(chosen, device)
    manifest = preset_manifest(chosen, models.load_all)
    computes: CaptionExecutor = (
        LocalExecutor(models, settings)
        if executor is None
        else executor(PresetRecipe(chosen, CaptionStage(settings)))
    )
    try:
        bank = Bank.open(address, create=manifest)
    except BaseException:
        computes.close()
        raise
    return Ingestor(
        bank,
        computes,
        batch_size=batch_size,
        fallback_folder=None if bank.address.profile else bank.address.folder,
    )


def _chosen_preset(asked: str | Preset | None, address: str | Path) -> Preset:
    """The preset asked for, or the one that a bank was made with, or the default for a new one."""
    if asked is not None:
        return asked if isinstance(asked, Preset) else load_preset(asked)
    try:
        return preset_for_bank(None, read_manifest(address))
    except BankMissingError:
        return load_preset(DEFAULT_PRESET)
