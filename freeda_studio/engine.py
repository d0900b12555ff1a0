"""Pictures and classes in, labels and reasons out, for every client of a studio.

What a picture costs is paid once: its encoding is kept, by bytes, and so are its labels for each list of
classes and each revision of the bank. So a click asks only for an explanation, and after a correction only
retrieval and labelling are done anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from freeda_learn.finding import RegionFinder
from freeda_learn.models import LearnModels
from freeda_learn.prompting import finder_of
from freeda_models.presets import Preset, preset_for_bank
from freeda_segment.classes import ClassList, parse_classes
from freeda_segment.encoding import EncodedImage
from freeda_segment.region_networks import load_regions
from freeda_segment.result import Segmentation
from freeda_segment.segmenter import Segmenter
from freeda_segment.settings import SegmentSettings
from freeda_store.bank import Bank
from freeda_store.closeable import Closeable
from freeda_studio.memory import ByteCache
from freeda_studio.shelf import Shelf
from freeda_studio.turns import Turns

if TYPE_CHECKING:
    from freeda_segment.explain.explanation import Explanation

SHOWN = 12
"""Prototypes of a class that an explanation shows."""

Revision = tuple[int, str] | None
"""Number and time of a revision; the time tells a bank from one remade in its place."""

_Key = tuple[str, tuple[tuple[str, ...], ...], Revision]


@dataclass(frozen=True, eq=False)
class Networks:
    """What segmenting and learning share, loaded once.

    Attributes:
        preset, settings: whose they are.
        models: backbone, CLIP, key encoder.
        segmenter: of the bank that the studio reads.
        finder: what a click means, when it teaches.
    """

    preset: Preset
    settings: SegmentSettings
    models: LearnModels
    segmenter: Segmenter
    finder: RegionFinder


def load_networks(
    bank: Bank,
    preset: str | Preset | None = None,
    *,
    device: str = "auto",
    settings: SegmentSettings | None = None,
) -> Networks:
    """Load the networks of a bank's preset.

    Args:
        bank: opened for reading.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: the preset's defaults if None.

    Raises:
        PresetError: there is no such preset.
        ManifestMismatchError: its models are not those that made the bank.
        ModelMissingError, DeviceError: they cannot be loaded.
    """
    chosen = preset_for_bank(preset, bank.manifest)
    wanted = settings if settings is not None else SegmentSettings.of(chosen.segment)
    models = LearnModels.load(chosen, device)
    models.require_bank(bank)
    regions = load_regions(chosen, wanted, device)
    segmenter = Segmenter(bank, models.clip, models.backbone, models.keys, wanted, chosen, regions)
    return Networks(chosen, wanted, models, segmenter, finder_of(wanted, regions))


class Engine(Closeable):
    """Labels the pictures of a shelf. Safe to be asked by several threads.

    Args:
        bank: opened for reading; closed with the engine.
        networks: of this bank.
        shelf: of pictures.
        memory_bytes: for encoded and labelled pictures.
    """

    def __init__(self, bank: Bank, networks: Networks, shelf: Shelf, memory_bytes: int) -> None:
        self.bank = bank
        self.networks = networks
        self.shelf = shelf
        self.turns = Turns()
        self._encoded: ByteCache[str, EncodedImage] = ByteCache(memory_bytes // 2)
        self._labelled: ByteCache[_Key, Segmentation] = ByteCache(memory_bytes // 2)

    @property
    def held_bytes(self) -> int:
        """What encoded and labelled pictures take now."""
        return self._encoded.bytes + self._labelled.bytes

    @property
    def revision(self) -> Revision:
        """Which revision the bank shows now, as far as labels depend on it."""
        return revision_of(self.bank)

    def segment(self, picture: str, classes: ClassList, client: str = "") -> Segmentation:
        """The labels of a picture, with their evidence. Those that are known need no turn.

        Args:
            picture: its id.
            classes: to label it with.
            client: who asks; see :class:`Turns`.

        Raises:
            MissingError, ImageError: the picture.
            NoPrototypesError: the bank has nothing for a class.
        """
        known = self._labelled.known(self._key(picture, classes))
        if known is not None:
            return known
        with self.turns.of(client):
            return self._segment(picture, classes)

    def explain(self, picture: str, classes: ClassList, x: int, y: int, client: str = "") -> Explanation:
        """Why the region at a pixel of the original picture has its label.

        Args:
            picture: its id.
            classes: that it is labelled with.
            x, y: column and row.
            client: who asks.

        Raises:
            OptionError: the pixel lies outside.
            Others: those of :meth:`segment`.
        """
        with self.turns.of(client):
            return self._segment(picture, classes).explain_at(x, y, self.bank, SHOWN)

    def forget(self, picture: str) -> None:
        """Let go of what is held of a picture."""
        self._encoded.forget(lambda key: key == picture)
        self._labelled.forget(lambda key: key[0] == picture)

    def close(self) -> None:
        """Close the bank. Closing twice is fine."""
        self.bank.close()

    def _segment(self, picture: str, classes: ClassList) -> Segmentation:
        def label() -> Segmentation:
            segmenter = self.networks.segmenter
            encoded = self._encoded.get(picture, lambda: segmenter.encode(self.shelf.read(picture)))
            prepared = segmenter.prepare(replace(classes, notes=()))
            return segmenter.label(encoded, prepared, keep_evidence=True)

        return self._labelled.get(self._key(picture, classes), label)

    def _key(self, picture: str, classes: ClassList) -> _Key:
        return picture, tuple(each.texts for each in classes.classes), self.revision


def revision_of(bank: Bank) -> Revision:
    """Which revision a bank shows now."""
    shown = bank.revision
    return None if shown is None else (shown.number, shown.committed_at)


def classes_of(expressions: Sequence[str]) -> ClassList:
    """The classes that a page or a program names.

    Raises:
        ClassesError: there is none, or one cannot be read.
    """
    return parse_classes(list(expressions))
