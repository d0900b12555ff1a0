"""Learning as one object: marked pictures in, prototypes into a bank."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from freeda_ingest.executors.recipe import PresetRecipe
from freeda_ingest.manifests import preset_manifest
from freeda_ingest.models import PresetModels
from freeda_learn.dividing import RegionLimits, divider_of
from freeda_learn.errors import OptionError
from freeda_learn.examples import Example, Rejected, UnlabelledPicture
from freeda_learn.executors import ExampleExecutor, ExampleRecipe, ExampleStage, LocalExecutor
from freeda_learn.extract import ExampleNaming, Extractor, KeySettings
from freeda_learn.finding import RegionFinder
from freeda_learn.models import LearnModels, Networks, check_preset_models
from freeda_learn.prompting import finder_of
from freeda_learn.report import LearnProgressCallback, LearnReport
from freeda_learn.run import LearnPlan, LearnRun
from freeda_learn.unlabelled import PictureNaming, RegionMaker
from freeda_models.presets import Preset, load_preset, preset_for_bank
from freeda_models.protocols import ImageArray
from freeda_segment.region_networks import load_regions
from freeda_segment.regions.providers import RegionProvider
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import SegmentSettings
from freeda_store.bank import Bank
from freeda_store.closeable import Closeable
from freeda_store.manifest import Manifest
from freeda_store.views.amounts import count

DEFAULT_BATCH_SIZE = 8


@dataclass(frozen=True)
class LearnOptions:
    """Options of one run.

    Attributes:
        by: who marked the examples, or gave the pictures; the name of the user who runs this if None.
        message: kept with the revision; says what was learned when empty.
        name: of the run, for it to be found again after a kill; made from what is learned when empty.
        thumbnails: whether pictures are kept; without, nothing of a picture but vectors enters the bank.
        batch_size: examples or pictures computed together.
    """

    by: str | None = None
    message: str = ""
    name: str = ""
    thumbnails: bool = True
    batch_size: int = DEFAULT_BATCH_SIZE

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch size is {self.batch_size}; give a number from 1 on.")


class Learner(Closeable):
    """Learns examples into a bank.

    Built by :func:`open_learner`, or from parts of your own. Leaving its ``with`` block closes the bank.

    Args:
        bank: an open bank whose manifest fits the models.
        models: the networks.
        settings: as pictures are segmented: sizes, windows and superpixels count.
        finder: finds what points and boxes mean; by default what divides pictures does.
        regions: what divides pictures into regions; None for superpixels.
        executor: computes the batches, in the place of ``models`` and ``finder``; closed with the learner.
    """

    def __init__(
        self,
        bank: Bank,
        models: Networks,
        settings: SegmentSettings,
        finder: RegionFinder | None = None,
        regions: RegionProvider | None = None,
        executor: ExampleExecutor | None = None,
    ) -> None:
        self._bank = bank
        self._models = models
        self._settings = settings
        self._regions = regions
        self._executor = executor or LocalExecutor(
            Extractor(models, settings, key_settings(bank.manifest), finder or finder_of(settings, regions))
        )

    @property
    def bank(self) -> Bank:
        """The bank that it teaches."""
        return self._bank

    def close(self) -> None:
        """Stop the executor and close the bank. Closing twice is fine."""
        try:
            self._executor.close()
        finally:
            self._bank.close()

    def segmenter(self, bank: Bank) -> Segmenter:
        """A segmenter with the same networks and settings, which asks a bank; closing it closes that one."""
        models = self._models
        return Segmenter(
            bank, models.clip, models.backbone, models.keys, self._settings, regions=self._regions
        )

    def learn(
        self,
        examples: Iterable[Example | Rejected],
        options: LearnOptions = LearnOptions(),
        progress: LearnProgressCallback | None = None,
    ) -> LearnReport:
        """Learn examples, and commit a revision when anything was new.

        What the bank has already is left out, by the content of the picture, the marks and the class. A run
        that was killed goes on when it is started again with the same examples; Ctrl-C stores the batch in
        hand.

        Args:
            examples: in any number; what a reader could not use may be among them, and is counted.
            options: see :class:`LearnOptions`.
            progress: called after every batch, in this thread.

        Raises:
            ModelOutputError: a network gave values that are not finite.
            BankError: the bank cannot be written.
        """
        known = list(examples) if isinstance(examples, Sequence) else None
        plan = _plan(options, _run_key(known or []), _message(known), known)
        run = LearnRun(self._bank, self._executor, ExampleNaming(), plan, progress)
        return run.go(examples if known is None else known)

    def learn_unlabelled(
        self,
        pictures: Iterable[Path | ImageArray | UnlabelledPicture | Rejected],
        options: LearnOptions = LearnOptions(),
        progress: LearnProgressCallback | None = None,
        *,
        limits: RegionLimits = RegionLimits(),  # noqa: B008 - frozen
    ) -> LearnReport:
        """Keep the regions of pictures that nobody named, and commit a revision when anything was new.

        Regions are what the preset's network proposes, or superpixels merged by looks. Each becomes a
        prototype without noun and text key, which retrieval from regions finds and from class names does not.
        A picture that the bank has is left out by its content, whatever the limits; for the rest see
        :meth:`learn`. It is computed in this process.

        Args:
            pictures: in any number; what cannot be used is counted and named.
            options: see :class:`LearnOptions`.
            progress: called after every batch, in this thread.
            limits: which regions of a picture are kept.

        Raises:
            ModelOutputError: a network gave values that are not finite.
            BankError: the bank cannot be written.
        """
        given = (_unlabelled(each) for each in pictures)
        known = list(given) if isinstance(pictures, Sequence) else None
        told = [["unlabelled", each.place] for each in (known or [])[:16]]
        message = f"regions of {count(len(known), 'picture')}" if known else "regions of pictures"
        plan = _plan(options, _digest(told), message, known)
        maker = RegionMaker(self._models, self._settings, divider_of(self._settings, self._regions), limits)
        run = LearnRun(self._bank, LocalExecutor(maker), PictureNaming(), plan, progress)
        return run.go(given if known is None else known)


def _unlabelled(picture: Path | ImageArray | UnlabelledPicture | Rejected) -> UnlabelledPicture | Rejected:
    return picture if isinstance(picture, UnlabelledPicture | Rejected) else UnlabelledPicture(picture)


def _plan(options: LearnOptions, run_key: str, message: str, known: Sequence[object] | None) -> LearnPlan:
    return LearnPlan(
        run_key=options.name or run_key,
        message=options.message or message,
        by=user_name() if options.by is None else options.by,
        batch_size=options.batch_size,
        total=None if known is None else len(known),
        thumbnails=options.thumbnails,
    )


def _message(examples: Sequence[Example | Rejected] | None) -> str:
    names = dict.fromkeys(each.name for each in examples or () if isinstance(each, Example))
    return f"learn {', '.join(names)}" if names else "learn pictures"


def _run_key(examples: Sequence[Example | Rejected]) -> str:
    """Names a run by its examples; pictures that cannot be read by their paths."""
    told = []
    for each in examples[:16]:
        marks = each.marks.fingerprint() if isinstance(each, Example) else each.reason
        told.append([each.place, marks])
    return _digest(told)


def _digest(told: Sequence[Sequence[str]]) -> str:
    return hashlib.sha256(json.dumps(["learn", told]).encode()).hexdigest()


def key_settings(manifest: Manifest) -> KeySettings:
    """How a bank's names become text keys."""
    return KeySettings(manifest.key_strategy, manifest.templates)


def user_name() -> str:
    """Who runs this, by the system; empty where it does not say."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def open_learner(
    address: str | Path,
    preset: str | Preset | None = None,
    *,
    device: str = "auto",
    settings: SegmentSettings | None = None,
    finder: RegionFinder | None = None,
    executor: Callable[[ExampleRecipe], ExampleExecutor] | None = None,
) -> Learner:
    """Open a bank to teach it, with the models of its preset; no generator is loaded.

    Args:
        address: of a bank that exists; :func:`new_bank` makes one.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: the preset's defaults if None.
        finder: finds what points and boxes mean, in the place of what the settings name.
        executor: makes what computes, as ``freeda.devices_executor(["cuda:0", "cuda:1"])`` does; by default
            this process does, on ``device``. Networks are then loaded here only by
            :meth:`Learner.segmenter`.

    Raises:
        OptionError: both a finder and an executor are given.
        BankError: see :meth:`freeda_store.Bank.open`.
        PresetError: there is no such preset.
        ManifestMismatchError: the preset's models are not those that made the bank.
        ModelError: a model is missing.
    """
    if finder is not None and executor is not None:
        raise OptionError("workers make their own finder of regions; give a finder or an executor.")
    bank = Bank.open(address)
    try:
        chosen = preset_for_bank(preset, bank.manifest)
        wanted = settings if settings is not None else SegmentSettings.of(chosen.segment)
        regions = load_regions(chosen, wanted, device)
        if executor is None:
            models = LearnModels.load(chosen, device)
            models.require_bank(bank)
            return Learner(bank, models, wanted, finder, regions)
        lazy = PresetModels(chosen, device)
        check_preset_models(bank, chosen, lazy)
        recipe = PresetRecipe(chosen, ExampleStage(wanted, key_settings(bank.manifest)))
        return Learner(bank, lazy, wanted, regions=regions, executor=executor(recipe))
    except BaseException:
        bank.close()
        raise


def new_bank(address: str | Path, preset: str | Preset) -> Manifest:
    """Make an empty bank for the models of a preset, without drawing anything.

    One that is there already is left as it is when it is empty and for the same models: a call that was
    killed at its end may have made it.

    Args:
        address: a folder that is missing or empty, or a profile.
        preset: name or ``.toml`` path of a preset, or one that was read.

    Returns:
        What the bank is made for.

    Raises:
        OptionError: there is a bank already that has revisions, or is for other models.
        PresetError, ModelError: the preset, or what must be known of its models.
        BankError: it cannot be made there.
    """
    from freeda_store.errors import BankMissingError, ManifestMismatchError

    chosen = preset if isinstance(preset, Preset) else load_preset(preset)
    taken = OptionError(f"there is a bank in {address} already; give another address, or learn into it.")
    there: Manifest | None = None
    with suppress(BankMissingError), Bank.read(address) as bank:
        there = bank.manifest
        if bank.revisions() or there.preset != chosen.name:
            raise taken

    def load_all() -> None:
        PresetModels(chosen, "cpu").load_all()

    manifest = preset_manifest(chosen, load_all)
    if there is None:
        Bank.open(address, create=manifest).close()
        return manifest
    try:
        there.check(manifest)
    except ManifestMismatchError:
        raise taken from None
    return there
