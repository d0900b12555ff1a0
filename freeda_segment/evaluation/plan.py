"""From a data set and a bank to something that can be run: settings, prototypes, and what to report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_models.presets import Preset, preset_for_bank
from freeda_models.regions.options import EomtOptions
from freeda_segment import segmenter as segmenters
from freeda_segment.errors import OptionError
from freeda_segment.evaluation.journal import Journal
from freeda_segment.evaluation.labelled import LabelledPictures
from freeda_segment.evaluation.labellers import (
    FreedaLabeller,
    FreedaRecipe,
    Labeller,
    MaskClipRecipe,
    Method,
    ReadBank,
    Recipe,
    text_classes,
    without_evidence,
)
from freeda_segment.evaluation.specs import DatasetSpec
from freeda_segment.pixels.background import Background, BackgroundStrategy
from freeda_segment.regions.superpixels import parse_superpixels
from freeda_segment.settings import ENCODING, SegmentSettings

if TYPE_CHECKING:
    from freeda_store import Bank

_SIZES = tuple(name for name in ENCODING if name not in ("superpixels", "merge_similarity", "regions"))


@dataclass(frozen=True)
class Plan:
    """A method ready to be run on a data set.

    Attributes:
        method: which one.
        pictures: the data set.
        recipe: how a process of its own makes the labeller.
        labeller: the same, made already in this process; None when it is not.
        bank: address and revision of the bank, None when none is used.
        models: identity of each model by role.
        settings: every setting that shapes the result.
        identity: identifies the bank's content, beside all of the above.
        notes: what a person should know.
    """

    method: Method
    pictures: LabelledPictures
    recipe: Recipe
    labeller: Labeller | None
    bank: Mapping[str, Any] | None
    models: Mapping[str, Any]
    settings: Mapping[str, Any]
    identity: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    def open_journal(self, folder: Path) -> Journal:
        """The journal of exactly this; see :class:`Journal`.

        Raises:
            OutputError: it cannot be read or written.
        """
        pictures = self.pictures
        values = {
            "dataset": pictures.name,
            "root": pictures.root,
            "spec": None if pictures.spec is None else pictures.spec.model_dump(mode="json"),
            "classes": [list(each.texts) for each in pictures.classes.texts.classes],
            "method": self.method.value,
            "models": dict(self.models),
            "settings": dict(self.settings),
            **self.identity,
        }
        return Journal.open(folder, self.method.value, values, len(pictures.classes))

    def worker(self, processes: int) -> Labeller | Recipe:
        """What :func:`freeda_segment.evaluation.run.run` is to be given."""
        return self.labeller if processes == 1 and self.labeller is not None else self.recipe


def dataset_settings(spec: DatasetSpec | None, settings: SegmentSettings) -> SegmentSettings:
    """Settings with the superpixels and the background of a data set.

    Args:
        spec: of the data set; None for the bundled scenes, which are labelled throughout.
        settings: of the preset.
    """
    if spec is None:
        return replace(settings, background=None)
    background = None
    if spec.background is not None:
        background = Background(BackgroundStrategy(spec.background.strategy), spec.background.threshold)
    superpixels = parse_superpixels(spec.superpixels.name, spec.superpixels.options)
    return replace(settings, superpixels=superpixels, background=background)


def plan_freeda(
    pictures: LabelledPictures,
    address: str | Path | Bank,
    *,
    preset: str | Preset | None = None,
    device: str = "auto",
    settings: SegmentSettings | None = None,
    processes: int = 1,
) -> Plan:
    """Read the prototypes of a data set's classes from a bank, once; the bank is closed again.

    Args:
        pictures: the data set.
        address: of the bank, or the bank, opened.
        preset: name or path, or a preset that was read; the one that made the bank if None.
        device: where to compute.
        settings: those of the preset and the data set if None.
        processes: with more than one, the networks of this process are let go of.

    Raises:
        NoPrototypesError: the bank has nothing for a class.
        BankMissingError, PresetError and other errors of :func:`freeda_segment.open_segmenter`.
    """
    classes = pictures.classes
    opened = segmenters.open_segmenter(address, preset=preset, device=device, settings=settings)
    with opened as segmenter:
        if settings is None:
            segmenter = segmenter.with_settings(**_changes(pictures.spec, segmenter.settings))
        prototypes = segmenter.prepare(classes.texts)
        bank = ReadBank.of(segmenter)
        provenance = segmenter.provenance
        proposer = {} if segmenter.proposer is None else {"regions": asdict(segmenter.proposer)}
    chosen = preset_for_bank(preset, bank.manifest)
    bare = without_evidence(prototypes)
    recipe = FreedaRecipe(chosen, device, segmenter.settings, bare, classes.with_background, bank)
    labeller = None
    if processes == 1:
        labeller = FreedaLabeller(segmenter.with_bank(bank), bare, classes.with_background)
    revision = None if bank.revision is None else asdict(bank.revision) | {"tags": list(bank.revision.tags)}
    return Plan(
        method=Method.FREEDA,
        pictures=pictures,
        recipe=recipe,
        labeller=labeller,
        bank={"address": provenance.bank, "revision": revision},
        models=_manifest_models(bank) | proposer,
        settings=provenance.settings,
        identity={"manifest": bank.manifest.model_dump(mode="json"), "revision": _moment(bank)},
        notes=(*prototypes.notes, *_footnotes(provenance.settings)),
    )


def plan_maskclip(
    pictures: LabelledPictures,
    preset: Preset,
    *,
    device: str = "auto",
    settings: SegmentSettings | None = None,
) -> Plan:
    """The baseline on a data set; no bank is needed.

    Args:
        pictures: the data set.
        preset: whose CLIP is used.
        device: where to compute.
        settings: sizes and templates count, those of the preset where they are None.
    """
    from freeda_models.loading import identify

    wanted = settings if settings is not None else SegmentSettings.of(preset.segment)
    templates = wanted.templates or preset.keys.templates
    notes: tuple[str, ...] = ()
    if pictures.classes.with_background:
        notes = ("maskclip has no background rule; it looks for background by that name.",)
    return Plan(
        method=Method.MASKCLIP,
        pictures=pictures,
        recipe=MaskClipRecipe(preset, device, wanted, templates, text_classes(pictures.classes)),
        labeller=None,
        bank=None,
        models={"clip": asdict(identify(preset).clip)},
        settings={name: getattr(wanted, name) for name in _SIZES} | {"templates": templates},
        identity={},
        notes=notes,
    )


def parse_methods(expressions: str) -> tuple[Method, ...]:
    """Methods between commas, each once.

    Raises:
        OptionError: one is unknown, or none is given.
    """
    names = [name.strip() for name in expressions.split(",") if name.strip()]
    known = {method.value for method in Method}
    for name in names:
        if name not in known:
            raise OptionError(f"unknown method '{name}'; choose among {', '.join(Method)}.")
    if not names:
        raise OptionError(f"no method was given; choose among {', '.join(Method)}.")
    return tuple(Method(name) for name in dict.fromkeys(names))


def _changes(spec: DatasetSpec | None, settings: SegmentSettings) -> dict[str, Any]:
    wanted = dataset_settings(spec, settings)
    return {"superpixels": wanted.superpixels, "background": wanted.background}


def _footnotes(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """What must stand beside figures that were measured with some settings."""
    if settings["regions"] != EomtOptions.name:
        return ()
    return (
        "EoMT, which proposes regions here, was trained on COCO's panoptic masks; say so beside the figures.",
    )


def _manifest_models(bank: ReadBank) -> dict[str, Any]:
    """The models that label; they are those of the manifest, or the bank would not have opened."""
    manifest = bank.manifest
    roles = {"clip": manifest.clip, "backbone": manifest.backbone, "keys": manifest.keys}
    return {role: record.model_dump(mode="json") for role, record in roles.items()}


def _moment(bank: ReadBank) -> dict[str, Any] | None:
    """A revision's number and when it was committed: a bank that was made anew has another."""
    revision = bank.revision
    return None if revision is None else {"number": revision.number, "committed_at": revision.committed_at}
