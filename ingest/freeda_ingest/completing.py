"""Fills in CLIP's view of every region where a bank of an earlier version lacks it, from its own pictures.

The bank keeps each picture and the attribution map of each noun, so the mask can be cut again and the masked
crop be seen by CLIP as at ingestion. Both were rounded when they were kept (pictures are WebP, maps have 256
levels): what comes out is near to what was seen then, and the agreement with the noun, which was kept, tells
how near.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

import numpy as np

from freeda_ingest.errors import OptionError
from freeda_ingest.masks import MaskSettings, make_mask
from freeda_ingest.models import IngestModels, PresetModels
from freeda_ingest.scores import clip_agreements, masked_crop
from freeda_models.presets import Preset, preset_for_bank
from freeda_models.protocols import FloatArray, ImageArray, TextImageEncoder
from freeda_store import Bank
from freeda_store.errors import ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.manifest import Manifest
from freeda_store.records import REGION, REST, PrototypeInfo

_CROPS_AT_ONCE = 32
_PICTURES_KEPT = 64
UNLIKE = 0.05
"""Agreements that differ by more than this are told of: the region may not be the one that was seen."""


@dataclass
class CompletionReport:
    """What was filled in.

    Attributes:
        completed: prototypes that have got a semantic vector.
        without_picture: prototypes that were stored without a picture or a map: nothing can be seen of them.
        unreadable: prototypes whose picture or map is missing or damaged, or shows no region.
        unlike: of the completed, those whose agreement with the noun is another than was kept, by more than
            :data:`UNLIKE`.
        deviation: mean difference between the agreements as kept and as seen now.
    """

    completed: int = 0
    without_picture: int = 0
    unreadable: int = 0
    unlike: int = 0
    deviation: float = 0.0
    _seen: int = field(default=0, repr=False)
    _total: float = field(default=0.0, repr=False)

    def note(self, differences: FloatArray, completed: int) -> None:
        """Count some more prototypes, by the differences of the agreements of those that have a noun."""
        self.completed += completed
        self.unlike += int((differences > UNLIKE).sum())
        self._seen += len(differences)
        self._total += float(differences.sum(dtype=np.float64))
        self.deviation = self._total / self._seen if self._seen else 0.0


def complete_bank(
    address: str | Path,
    *,
    preset: str | Preset | None = None,
    device: str = "auto",
    models: IngestModels | None = None,
    progress: Callable[[CompletionReport], None] | None = None,
) -> CompletionReport:
    """Give the prototypes of a bank the semantic vectors that they lack, in place.

    The same call again fills in nothing, or goes on where it was stopped.

    Args:
        address: of a bank that exists.
        preset: name, path or preset; by default the one that made the bank.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        models: networks that are there already, in place of those of the preset.
        progress: called after every batch.

    Raises:
        OptionError: the bank's manifest does not say how its masks are cut.
        ManifestMismatchError: the preset's CLIP is not that of the bank.
        BankMissingError, BankInUseError, ReadOnlyBankError, StorageError: see ``freeda_store.Bank``.
        PresetError, ModelError: the models.
    """
    report = CompletionReport()
    with Bank.open(address) as bank, bank.complete() as completion:
        seer: _Seer | None = None
        for infos in completion.lacking():
            seen = [info for info in infos if info.picture_key and info.attribution_key]
            report.without_picture += len(infos) - len(seen)
            if seen and seer is None:  # a bank that lacks nothing loads no network
                made = models or PresetModels(preset_for_bank(preset, bank.manifest), device)
                bank.check_models({"clip": made.clip.identity})
                seer = _Seer(bank, made.clip)
            for start in range(0, len(seen), _CROPS_AT_ONCE):
                assert seer is not None
                ids, semantics = seer.see(seen[start : start + _CROPS_AT_ONCE], report)
                completion.add(ids, semantics)
                if progress is not None:
                    progress(report)
    return report


class _Seer:
    """Sees the regions of prototypes as ingestion did."""

    def __init__(self, bank: Bank, clip: TextImageEncoder) -> None:
        self._bank = bank
        self._clip = clip
        self._masks = _mask_settings(bank.manifest)
        self._pictures: OrderedDict[str, ImageArray] = OrderedDict()

    def see(self, infos: Sequence[PrototypeInfo], report: CompletionReport) -> tuple[list[UUID], FloatArray]:
        """Semantic vectors of those whose regions can be seen; the others are counted."""
        crops: list[ImageArray] = []
        kept: list[PrototypeInfo] = []
        for info in infos:
            crop = self._crop(info)
            if crop is not None:
                crops.append(crop)
                kept.append(info)
        report.unreadable += len(infos) - len(kept)
        if not kept:
            return [], np.zeros((0, 0), dtype=np.float32)
        semantics = self._clip.encode_images(np.stack(crops))
        agreements = clip_agreements(
            self._clip, semantics, list(range(len(kept))), [info.noun or info.kind for info in kept]
        )
        named = np.array([info.kind not in (REST, REGION) for info in kept], dtype=np.bool_)
        report.note(np.abs(agreements - [info.scores.clip_agreement for info in kept])[named], len(kept))
        return [info.id for info in kept], semantics

    def _crop(self, info: PrototypeInfo) -> ImageArray | None:
        """The masked crop; None where the picture or the map is gone, or the map is flat."""
        try:
            picture = self._picture(info.picture_key)
            levels = np.asarray(self._bank.thumbnail(info.attribution_key))[..., 0]
        except (ThumbnailMissingError, ThumbnailDamagedError):
            return None
        mask = make_mask((levels / 255).astype(np.float32), picture.shape[:2], self._masks)
        return None if isinstance(mask, str) else masked_crop(picture, mask.mask_hw)

    def _picture(self, key: str) -> ImageArray:
        if key not in self._pictures:
            self._pictures[key] = np.asarray(self._bank.thumbnail(key))
            if len(self._pictures) > _PICTURES_KEPT:
                self._pictures.popitem(last=False)
        return self._pictures[key]


def _mask_settings(manifest: Manifest) -> MaskSettings:
    """How the bank's masks were cut, with open gates: rounding must not turn away what passed them once.

    Raises:
        OptionError: the manifest does not say it.
    """
    told = manifest.threshold
    strategy, value, upsampling = told.get("strategy"), told.get("value"), told.get("upsampling", "bicubic")
    if not isinstance(strategy, str) or not isinstance(value, (int, float)):
        raise OptionError(
            "the bank does not say how its masks were cut, so its regions cannot be seen again; ingest its "
            "captions into a new bank."
        )
    made = MaskSettings(strategy, float(value), min_area=0.0, max_area=1.0)
    return replace(made, upsampling="bilinear") if upsampling == "bilinear" else made
