"""``freeda segment``: pictures and class names in, labelled pictures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import typer

from freeda_cli import console
from freeda_cli import segment_options as o
from freeda_cli.errors import FAILURE
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption
from freeda_cli.pictures import find_pictures
from freeda_cli.presets import (
    SEGMENT_ROLES,
    announce_download,
    asked_regions,
    bank_line,
    open_bank_and_preset,
)
from freeda_cli.segment_report import RunReport, undrawn, warn_of
from freeda_cli.segment_settings import SettingChanges, gather_classes
from freeda_cli.setting_options import with_segment_options

EPILOG = 'Example: freeda segment photo.jpg holiday/ -c "red car,tree,grass,sky" --out out'


@with_segment_options
def segment(
    ctx: typer.Context,
    pictures: o.PicturesArgument,
    classes: o.ClassesOption = None,
    classes_file: o.ClassesFileOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    out: o.OutOption = Path(o.DEFAULT_OUT),
    formats: o.FormatOption = None,
    opacity: o.OpacityOption = o.DEFAULT_OPACITY,
    label_offset: o.LabelOffsetOption = 0,
    min_area: o.MinAreaOption = o.DEFAULT_MIN_AREA,
    recursive: o.RecursiveOption = False,
    verbose: o.LinesOption = False,
    force: o.ForceOption = False,
    *,
    changes: SettingChanges,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Label every pixel of pictures with one of the classes named.

    Writes for each picture an overlay with a legend, a label map, and a report with the area and
    score of each class; several pictures get an index.html too. Files are named after the picture, and
    after its ending too where another picture has the name. What is there already, made in the same
    way, is skipped; what freeda wrote is never taken for a picture. A picture that cannot be read is
    reported, the others go on, and the exit code is 1.
    """
    from freeda_segment import SegmentSettings, open_segmenter
    from freeda_segment.jobs import Task, find_finished
    from freeda_segment.outputs import INDEX_NAME, result_stems
    from freeda_segment.outputs.runs import RunOptions
    from freeda_segment.provenance import foresee_provenance
    from freeda_store.files.own_files import file_ids, require_free

    found = find_pictures(pictures, recursive=recursive, out=out)
    if found.skipped:
        console.note(f"left out: {found.told()}")
    paths = found.pictures
    wanted = gather_classes(classes or [], classes_file)
    written = wanted_formats(formats or [], len(paths))
    names = written.single
    if "overlay" in names:
        warn_of(undrawn(wanted.names))
    with open_bank_and_preset(bank, preset) as source:
        settings = changes.change(SegmentSettings.of(source.preset.segment))
        opened, chosen = source.bank, source.preset
        console.note(bank_line(bank, source.preset, settings.where))
        index = [out / INDEX_NAME] if len(paths) > 1 and "preview" in names else []
        require_free(index, force=force)
        tasks = [Task(*pair) for pair in zip(paths, result_stems(out, paths), strict=True)]
        up_to_date = partial(
            find_finished,
            label_offset=label_offset,
            folder=out,
            formats=names,
            classes=wanted,
            opacity=opacity,
        )
        foreseen = partial(foresee_provenance, opened, source.preset, settings)
        done = {} if force else up_to_date(tasks, provenance=foreseen)
        report = RunReport(
            ctx,
            out,
            names,
            len(tasks),
            verbose=verbose,
            as_json=as_json,
            force=force,
            left_out=found.told(),
        )
        if len(done) == len(tasks):
            report.tell(done[task] for task in tasks)
        else:
            from freeda_segment.jobs.job import Job, run_rest

            announce_download(chosen, SEGMENT_ROLES, bank=opened, regions=asked_regions(settings))
            segmenter = open_segmenter(opened, preset=chosen, device=device, settings=settings)
            if not force:
                rest = [task for task in tasks if task not in done]
                done |= up_to_date(rest, provenance=lambda: segmenter.provenance)
            prototypes = segmenter.prepare(wanted)
            warn_of(prototypes.notes)
            inputs = file_ids([*paths, classes_file or "", preset or ""])
            job = Job(segmenter, prototypes, out, names, opacity, label_offset, force, inputs)
            report.tell(run_rest(job, tasks, done))
    report.end(written.run, RunOptions(min_area))
    if report.failed:
        raise typer.Exit(FAILURE)


@dataclass(frozen=True)
class WantedFormats:
    """What a person asks to be written.

    Attributes:
        single: for each picture, names of :data:`freeda_segment.outputs.FORMATS`.
        run: for all together, names of :data:`freeda_segment.outputs.runs.RUN_FORMATS`.
    """

    single: tuple[str, ...]
    run: tuple[str, ...] = ()


def wanted_formats(expressions: Sequence[str], pictures: int) -> WantedFormats:
    """The formats of ``--format``; several pictures with overlays get previews, for their index.

    Raises:
        OptionError: a format is unknown.
    """
    from freeda_segment.errors import OptionError
    from freeda_segment.outputs import DEFAULT_FORMATS, FORMATS
    from freeda_segment.outputs.runs import LABELS, RUN_FORMATS

    given = [name.strip() for expression in expressions for name in expression.split(",")]
    names = [name for name in given if name] or list(DEFAULT_FORMATS)
    for name in names:
        if name not in FORMATS and name not in RUN_FORMATS:
            known = ", ".join([*FORMATS, *RUN_FORMATS])
            raise OptionError(f"unknown output format '{name}'; choose from {known}.")
    run = dict.fromkeys(name for name in names if name in RUN_FORMATS)
    single = dict.fromkeys(name for name in names if name in FORMATS)
    if run:
        single[LABELS] = None
    if pictures > 1 and "overlay" in single:
        single["preview"] = None
    return WantedFormats(tuple(single), tuple(run))
