"""``freeda evaluate``: mIoU of a bank, or of the baseline, on a data set with exact label maps."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli.errors import FAILURE
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, ForceOption, JsonOption, PresetOption
from freeda_cli.presets import (
    SEGMENT_ROLES,
    BankAndPreset,
    announce_download,
    asked_regions,
    open_bank_and_preset,
    preset_for,
)
from freeda_cli.progress import EvaluationBar
from freeda_cli.segment_options import CLASSES_FILE_HELP
from freeda_cli.segment_settings import SettingChanges
from freeda_cli.setting_options import with_segment_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeda_segment import SegmentSettings
    from freeda_segment.evaluation.labelled import LabelledPictures
    from freeda_segment.evaluation.labellers import Method
    from freeda_segment.evaluation.plan import Plan
    from freeda_segment.evaluation.report import MethodResult
    from freeda_segment.evaluation.run import SkippedPicture

EPILOG = "Example: freeda evaluate voc20 --root VOCdevkit --bank photos --limit 100"
_DEFAULT_OUT = "freeda-eval"
_SHOWN_NOTES = 10

DatasetArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="voc20, voc21, context59, context60, coco-stuff, coco-object, cityscapes, ade20k or tiny.",
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        metavar="DIR",
        help="The data set's folder, laid out as docs/evaluation.md shows; not for tiny.",
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, show_default="all", help="Only the first so many pictures."),
]
ResultsOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        show_default=f"{_DEFAULT_OUT}/DATASET",
        help="Where the report, the confusion matrix and the journal go; a run that was cut short goes on "
        "from its journal.",
    ),
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes",
        metavar="N",
        min=1,
        max=1024,
        help="How many processes label; each loads the networks once.",
    ),
]
MethodOption = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="NAMES",
        help="What to measure: freeda, maskclip (CLIP's patches against class text, no bank), or both "
        "between commas.",
    ),
]
NamesOption = Annotated[
    Path | None,
    typer.Option(
        "--names",
        metavar="FILE",
        show_default="the official ones",
        help=f"Class names of your own, in the order of the data set's labels. {CLASSES_FILE_HELP}",
    ),
]


@with_segment_options
def evaluate(
    dataset: DatasetArgument,
    root: RootOption = None,
    bank: BankOption = DEFAULT_BANK,
    method: MethodOption = "freeda",
    limit: LimitOption = None,
    out: ResultsOption = None,
    processes: ProcessesOption = 1,
    names: NamesOption = None,
    preset: PresetOption = None,
    *,
    changes: SettingChanges,
    device: DeviceOption = "auto",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Segment a data set into its own classes, and compare with its label maps.

    Superpixels and background are the authors' for the data set, unless an option says otherwise; the
    rest is the preset's. Running the same command again goes on where it was cut short.
    """
    from freeda_segment import SegmentSettings
    from freeda_segment.evaluation.labelled import open_dataset
    from freeda_segment.evaluation.labellers import Method
    from freeda_segment.evaluation.plan import dataset_settings, parse_methods
    from freeda_segment.evaluation.report import evaluation_files, evaluation_values, write_evaluation
    from freeda_store.files.own_files import file_ids, require_free

    methods = parse_methods(method)
    pictures = open_dataset(dataset, root, names)
    uses_bank = Method.FREEDA in methods
    with open_bank_and_preset(bank, preset) if uses_bank else _no_bank(bank, preset) as source:
        base = dataset_settings(pictures.spec, SegmentSettings.of(source.preset.segment))
        run = _Run(
            pictures=pictures,
            settings=changes.change(base),
            source=source,
            device=device,
            processes=processes,
            limit=limit,
            folder=out or Path(_DEFAULT_OUT) / dataset,
        )
        console.note(
            f"{pictures.title}: {console.count(len(pictures.pictures), 'picture')}, "
            f"preset {source.preset.name}"
        )
        inputs = file_ids([names or "", preset or ""])
        require_free(evaluation_files(run.folder, methods).values(), inputs=inputs, force=force)
        announce_download(
            source.preset,
            SEGMENT_ROLES,
            bank=source.bank if uses_bank else None,
            regions=asked_regions(run.settings) if uses_bank else "",
        )
        bank_first = sorted(methods, key=lambda each: each is not Method.FREEDA)
        measured = {each: run.one(each) for each in bank_first}
    results = [measured[each] for each in methods]
    files = write_evaluation(run.folder, results, force=force, inputs=inputs)
    if as_json:
        console.emit_json(evaluation_values(results))
    else:
        _show(results)
        for path in files.values():
            console.say(f"  {path}")
    if any(result.skipped for result in results):
        raise typer.Exit(FAILURE)


def _no_bank(address: str, preset: str | None) -> AbstractContextManager[BankAndPreset]:
    """The preset of a command that asks no bank."""
    return nullcontext(BankAndPreset(preset_for(address, preset), None))


@dataclass(frozen=True)
class _Run:
    """Measures methods one after another; the bank is let go of once its prototypes are read."""

    pictures: LabelledPictures
    settings: SegmentSettings
    source: BankAndPreset
    device: str
    processes: int
    limit: int | None
    folder: Path

    def one(self, method: Method) -> MethodResult:
        """Label, count and measure."""
        from freeda_segment.evaluation.report import MethodResult
        from freeda_segment.evaluation.run import run

        with EvaluationBar(f"{self.pictures.name}, {method.value}") as bar:
            plan = self._plan(method)
            for note in plan.notes[:_SHOWN_NOTES]:
                console.warn(note)
            if len(plan.notes) > _SHOWN_NOTES:
                console.warn(f"and {len(plan.notes) - _SHOWN_NOTES} more of this kind.")
            skipped: list[SkippedPicture] = []
            with plan.open_journal(self.folder) as journal:
                counts = run(
                    self.pictures,
                    plan.worker(self.processes),
                    journal,
                    limit=self.limit,
                    processes=self.processes,
                    progress=bar,
                    skip=skipped.append,
                )
        for each in skipped[:_SHOWN_NOTES]:
            console.fail(each.reason)
        if len(skipped) > _SHOWN_NOTES:
            console.fail(f"and {len(skipped) - _SHOWN_NOTES} more that cannot be read.")
        total = len(self.pictures.pictures)
        wanted = total if self.limit is None else min(total, self.limit)
        return MethodResult(plan, counts, wanted - len(skipped), tuple(skipped))

    def _plan(self, method: Method) -> Plan:
        from freeda_segment.evaluation.labellers import Method
        from freeda_segment.evaluation.plan import plan_freeda, plan_maskclip

        if method is Method.MASKCLIP:
            return plan_maskclip(
                self.pictures, self.source.preset, device=self.device, settings=self.settings
            )
        return plan_freeda(
            self.pictures,
            self.source.bank,
            preset=self.source.preset,
            device=self.device,
            settings=self.settings,
            processes=self.processes,
        )


def _show(results: Sequence[MethodResult]) -> None:
    """IoU per class and method, then the figures of the whole."""
    metrics = [result.metrics for result in results]
    rows = [
        [name, *(_percent(each.iou[index]) for each in metrics)]
        for index, name in enumerate(results[0].plan.pictures.classes.names)
    ]
    rows.append(["mIoU", *(_percent(each.mean_iou) for each in metrics)])
    rows.append(["boundary mIoU", *(_percent(each.mean_boundary_iou) for each in metrics)])
    rows.append(["pixel accuracy", *(_percent(each.pixel_accuracy) for each in metrics)])
    console.show_table(["class", *(f"{result.plan.method.value}#" for result in results)], rows)
    counted, total = min(result.pictures for result in results), len(results[0].plan.pictures.pictures)
    if counted < total:
        skipped = max(len(result.skipped) for result in results)
        unread = f" ({skipped:,} could not be read)" if skipped else ""
        console.warn(
            f"only {counted:,} of {total:,} pictures were counted{unread}; this is not the data set's figure."
        )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share * 100:.1f}"
