"""The online stage as a user holds it.

Three steps that may be held apart: :meth:`Segmenter.encode` runs the networks once per picture,
:meth:`Segmenter.prepare` asks the bank for prototypes once per class list, :meth:`Segmenter.label`
joins them and is cheap. :meth:`Segmenter.segment` is all three.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from freeda_models.presets import Preset, preset_for_bank
from freeda_models.protocols import (
    DenseBackbone,
    ImageArray,
    LabelArray,
    ModelIdentity,
    TextEncoder,
    TextImageEncoder,
)
from freeda_models.text.keys import TEMPLATE_SETS
from freeda_segment import competition, neighbourhood
from freeda_segment.classes import ClassList, parse_classes
from freeda_segment.encoding import (
    EncodedImage,
    EncodingFailure,
    StartedImage,
    encode_image,
    encode_images,
    guided,
    start_image,
)
from freeda_segment.errors import OptionError
from freeda_segment.images import Picture, as_picture
from freeda_segment.pixels.confidence import leave_out_unsure
from freeda_segment.pixels.labelling import LabelRequest, label_bands
from freeda_segment.pixels.refinement import between_masks
from freeda_segment.pixels.voting import vote_in_bands
from freeda_segment.provenance import describe_provenance
from freeda_segment.region_networks import load_regions, settings_naming
from freeda_segment.regions.providers import ProposedRegions, RegionProvider
from freeda_segment.regions.similarity import score_window
from freeda_segment.result import (
    Evidence,
    Provenance,
    Segmentation,
    count_shares,
    merge_regions,
)
from freeda_segment.retrieval import class_name_notes
from freeda_segment.retrieval.bank_nouns import NounSource
from freeda_segment.retrieval.held import taught_texts
from freeda_segment.retrieval.learned import PrototypeSource
from freeda_segment.retrieval.lookup import TextCache, TextLookup
from freeda_segment.retrieval.neighbours import NeighbourSource
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_segment.settings import ENCODING, RETRIEVAL, SegmentSettings
from freeda_store import Manifest
from freeda_store.closeable import Closeable
from freeda_store.records import RevisionInfo

if TYPE_CHECKING:
    from PIL import Image

    from freeda_store import Bank

logger = logging.getLogger(__name__)


class SegmentBank(PrototypeSource, NounSource, NeighbourSource, Protocol):
    """What a segmenter needs of a bank; ``freeda_store.Bank`` is one."""

    @property
    def manifest(self) -> Manifest:
        """What made it."""

    @property
    def revision(self) -> RevisionInfo | None:
        """The revision it shows."""

    @property
    def address(self) -> object:
        """Where it is; ``str()`` of it is shown to people."""

    def close(self) -> None:
        """Let go of it."""


class Segmenter(Closeable):
    """Segments pictures into classes named in text, with the prototypes of a bank.

    Args:
        bank: where prototypes come from; :meth:`close` closes it.
        clip: global similarity, and the key space unless ``keys`` is given.
        backbone: dense features.
        keys: encoder of the bank's key space.
        settings: sizes, superpixels, retrieval, ensemble, background, refinement.
        preset: whose ``nouns_known`` say which classes deserve a warning; None for no warning.
        regions: what divides pictures into regions; None divides each window into superpixels.

    Raises:
        OptionError: the bank's manifest names templates that this version does not have, or the settings name
            a network of regions and none is given, or want of CLIP what it cannot give.
    """

    def __init__(
        self,
        bank: SegmentBank,
        clip: TextImageEncoder,
        backbone: DenseBackbone,
        keys: TextEncoder | None = None,
        settings: SegmentSettings | None = None,
        preset: Preset | None = None,
        regions: RegionProvider | None = None,
    ) -> None:
        self._bank = bank
        self._clip = clip
        self._backbone = backbone
        self._keys: TextEncoder = clip if keys is None else keys
        self._settings = settings_naming(settings if settings is not None else SegmentSettings(), regions)
        if self._settings.dense_weight > 0:
            guided(clip)
        self._regions = regions
        self._preset = preset
        name = self._settings.templates or bank.manifest.templates
        if name not in TEMPLATE_SETS:
            raise OptionError(
                f"the bank's prompt templates '{name}' are unknown to this version; update freeda."
            )
        self._template_set = name
        self._text_cache = TextCache()
        self._nouns: competition.NounCache = {}

    @property
    def settings(self) -> SegmentSettings:
        """The settings it works with."""
        return self._settings

    @property
    def bank(self) -> SegmentBank:
        """The bank it asks."""
        return self._bank

    @property
    def proposer(self) -> ModelIdentity | None:
        """The network that proposes regions; None where none does."""
        return self._regions.identity if isinstance(self._regions, ProposedRegions) else None

    @property
    def provenance(self) -> Provenance:
        """What its results will say of where they come from: bank, revision, models and settings."""
        return self._provenance(self._bank.revision)

    def with_settings(self, **changes: Any) -> Segmenter:
        """A segmenter with the same bank and models and some settings changed.

        Raises:
            OptionError: a value is outside its range, or ``regions`` names a network that is not loaded.
        """
        settings = dataclasses.replace(self._settings, **changes)
        return self._changed(settings, None if settings.regions is None else self._regions)

    def with_regions(self, regions: RegionProvider | None) -> Segmenter:
        """A segmenter with the same bank, models and settings and regions by another provider; None for
        superpixels.
        """
        return self._changed(dataclasses.replace(self._settings, regions=None), regions)

    def with_bank(self, bank: SegmentBank) -> Segmenter:
        """A segmenter with the same models and settings that asks another bank."""
        return Segmenter(
            bank, self._clip, self._backbone, self._keys, self._settings, self._preset, self._regions
        )

    def _changed(self, settings: SegmentSettings, regions: RegionProvider | None) -> Segmenter:
        changed = Segmenter(
            self._bank, self._clip, self._backbone, self._keys, settings, self._preset, regions
        )
        changed._text_cache, changed._nouns = self._text_cache, self._nouns
        return changed

    def encode(self, image: ImageArray | Picture | Image.Image | str | Path) -> EncodedImage:
        """Regions, patch features and CLIP embeddings of a picture.

        Args:
            image: uint8 (H, W, 3) RGB, a :class:`Picture`, a Pillow picture, or the path of one.

        Raises:
            ImageError: it cannot be read, or is not such an array.
            ModelOutputError: a network gave values that are not finite.
        """
        picture = as_picture(image)
        with _timed("encode"):
            return encode_image(picture, self._clip, self._backbone, self._settings, self._regions)

    def start(self, picture: Picture, pool: Executor) -> StartedImage:
        """The part of :meth:`encode` that needs no network, for :meth:`encode_each`; may run in a thread.

        Args:
            picture: to be encoded.
            pool: of threads, see :func:`freeda_segment.encoding.superpixel_pool`.
        """
        return start_image(picture, self._settings, pool, self._regions)

    def encode_each(self, images: Iterable[StartedImage | None]) -> Iterator[EncodedImage | EncodingFailure]:
        """Encode several pictures, whose windows share batches; see :func:`encode_images`."""
        return encode_images(images, self._clip, self._backbone, self._settings, self._regions)

    def prepare(self, classes: ClassList | str | Sequence[str]) -> ClassPrototypes:
        """Prototypes of classes from the bank; classes that were asked for before cost nothing.

        Args:
            classes: parsed, or expressions such as ``"red car,tree,car|automobile"``.

        Raises:
            ClassesError: no class is given.
            NoPrototypesError: the bank, or what the filter leaves, has nothing for a class.
        """
        parsed = classes if isinstance(classes, ClassList) else parse_classes(classes)
        notes = (*parsed.notes, *self._other_prompts())
        with _timed("prepare"):
            lookup = TextLookup(
                self._bank,
                self._keys,
                self._clip,
                self._template_set,
                self._settings,
                lambda: self._bank.revision,
                self._text_cache,
            )
            built = competition.prepare(
                self._bank,
                parsed.classes,
                lookup,
                notes,
                self._nouns,
                unknown=class_name_notes.unknown_texts(self._preset, parsed),
                comparable=self._bank.manifest.key_strategy == "template_mean" and not self._other_prompts(),
            )
        more = (
            *class_name_notes.warnings(self._preset, parsed, taught_texts(built)),
            *class_name_notes.readings(self._preset, built),
            *competition.warnings(built, self._settings),
        )
        return dataclasses.replace(built, notes=(*notes, *more))

    def label(
        self, encoded: EncodedImage, prototypes: ClassPrototypes, *, keep_evidence: bool = False
    ) -> Segmentation:
        """Give every pixel a class.

        Args:
            encoded: by :meth:`encode`.
            prototypes: by :meth:`prepare`.
            keep_evidence: keep the features of the windows in the result, so that it can be explained;
                some megabytes for each window with large networks.

        Raises:
            ModelOutputError: features and prototypes do not fit together.
            OptionError: the picture was encoded, or the classes prepared, with other settings than this
                segmenter's; those of :meth:`label` itself (alpha, background, refinement) may differ. Or the
                picture was encoded without what CLIP sees in its regions, and this counts here.
        """
        self._settings.check_made_with(encoded.settings, ENCODING, "the encoded picture")
        if self._settings.dense_weight > 0 and any(window.seen is None for window in encoded.windows):
            raise OptionError(
                "the encoded picture was made with dense_weight = 0, without what CLIP sees in its regions; "
                f"this segmenter has {self._settings.dense_weight:g}; make it anew."
            )
        self._settings.check_made_with(prototypes.settings, RETRIEVAL, "the list of prepared classes")
        with _timed("label"):
            compared = competition.under(self._settings, prototypes)
            asked = neighbourhood.ask(
                self._bank, encoded.windows, encoded.neighbours, compared, self._settings
            )
            compared = asked.prototypes
            windows = tuple(
                score_window(
                    each.labels,
                    each.regions,
                    each.tokens,
                    each.embedding,
                    compared,
                    self._settings.alpha,
                    votes,
                    each.seen,
                    self._settings.dense_weight,
                )
                for each, votes in zip(encoded.windows, asked.votes, strict=True)
            )
            background, refinement = self._settings.background, self._settings.refinement
            request = LabelRequest(
                working=encoded.working,
                size_hw=encoded.size_hw,
                boxes=encoded.boxes,
                windows=windows,
                alpha=self._settings.alpha,
                background=background if background is not None and background.by_threshold else None,
                refinement=between_masks(refinement) if encoded.divided is not None else refinement,
                others=compared.competitors is not None,
                nouns=compared.nouns,
            )
            region_map = merge_regions(request.working_hw, encoded.boxes, windows)
            bands = label_bands(request)
            voting = self._voting(encoded, region_map)
            if voting is not None:
                bands = vote_in_bands(bands, voting, request.size_hw, len(prototypes.names))
            if self._settings.unsure is not None:
                bands = leave_out_unsure(bands, request, self._settings.unsure)
            labels, count = count_shares(bands, request.size_hw, prototypes.names)
            return Segmentation(
                picture=encoded.picture,
                labels=labels,
                classes=prototypes.classes,
                shares=count.shares(),
                background_area=count.background_area(),
                region_map=region_map,
                request=request,
                evidence=Evidence(compared, encoded.windows, asked) if keep_evidence else None,
                provenance=self._provenance(prototypes.revision),
                notes=(*encoded.picture.notes, *prototypes.notes, *asked.notes),
            )

    def segment(
        self,
        image: ImageArray | Picture | Image.Image | str | Path,
        classes: ClassList | ClassPrototypes | str | Sequence[str],
        *,
        keep_evidence: bool = False,
    ) -> Segmentation:
        """Encode, prepare and label in one call.

        For several pictures, retrieval is paid once.

        Args:
            image: as for :meth:`encode`.
            classes: as for :meth:`prepare`, or what it gave.
            keep_evidence: as for :meth:`label`; needed to explain the result.
        """
        prototypes = classes if isinstance(classes, ClassPrototypes) else self.prepare(classes)
        return self.label(self.encode(image), prototypes, keep_evidence=keep_evidence)

    def _voting(self, encoded: EncodedImage, region_map: LabelArray) -> LabelArray | None:
        """The regions that vote; None when none does."""
        choice = self._settings.majority_vote
        if encoded.divided is not None:
            return None if choice == "none" else encoded.divided.voting(choice)
        return region_map if choice == "regions" else None

    def close(self) -> None:
        """Close the bank."""
        self._bank.close()

    def _other_prompts(self) -> tuple[str, ...]:
        """That class names are not embedded as the bank's keys were."""
        manifest = self._bank.manifest
        if manifest.key_strategy != "template_mean" or manifest.templates == self._template_set:
            return ()
        return (
            f"class names are embedded with the prompt templates '{self._template_set}', this bank's keys "
            f"with '{manifest.templates}': likeness and its threshold mean something else; leave out "
            "--templates to compare like with like.",
        )

    def _provenance(self, revision: RevisionInfo | None) -> Provenance:
        models = {
            "clip": self._clip.identity.id,
            "backbone": self._backbone.identity.id,
            "keys": self._keys.identity.id,
        }
        if self.proposer is not None:
            models["regions"] = self.proposer.id
        return describe_provenance(self._bank.address, revision, models, self._settings, self._template_set)


def open_segmenter(
    address: str | Path | Bank,
    *,
    preset: str | Preset | None = None,
    device: str = "auto",
    settings: SegmentSettings | None = None,
    regions: RegionProvider | None = None,
) -> Segmenter:
    """Open a bank and load the models that its manifest names, and no others.

    Args:
        address: of the bank: ``DIR``, ``DIR@3`` or ``DIR@tag``; or a bank that is open, which is closed with
            the segmenter.
        preset: name or ``.toml`` path of a preset, or one that was read; the one that made the bank if
            None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        settings: the preset's defaults if None.
        regions: what divides pictures into regions, in the place of what the settings name.

    Raises:
        BankError: the bank cannot be opened; see :meth:`freeda_store.Bank.read`.
        PresetError: there is no such preset.
        ManifestMismatchError: the preset's models are not those that made the bank.
        ModelMissingError, DeviceError: the models cannot be loaded.
    """
    from freeda_models.loading import load_backbone, load_key_encoder, load_text_image_encoder
    from freeda_store import Bank

    bank = address if isinstance(address, Bank) else Bank.read(address)
    try:
        with _timed("load models"):
            chosen = preset_for_bank(preset, bank.manifest)
            wanted = settings if settings is not None else SegmentSettings.of(chosen.segment)
            clip = load_text_image_encoder(chosen, device)
            backbone = load_backbone(chosen, device)
            keys = load_key_encoder(chosen, device, clip)
            if regions is None:
                regions = load_regions(chosen, wanted, device)
        bank.check_models({"clip": clip.identity, "backbone": backbone.identity, "keys": keys.identity})
        return Segmenter(bank, clip, backbone, keys, wanted, chosen, regions)
    except BaseException:
        bank.close()
        raise


@contextmanager
def _timed(stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    logger.debug("%s took %.3f s", stage, time.perf_counter() - start)
