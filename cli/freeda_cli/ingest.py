"""``freeda ingest``: captions in, prototypes into a bank."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from freeda_cli import console
from freeda_cli.errors import INTERRUPTED, UsageError
from freeda_cli.executors import DevicesOption, ExecutorName, ExecutorOption, WorkersOption, place_of
from freeda_cli.options import DEFAULT_BANK, MACHINE, RUN, DeviceOption, JsonOption, bank_option
from freeda_cli.presets import announce_download, preset_for, unknown_words
from freeda_cli.progress import IngestBar

if TYPE_CHECKING:
    from freeda_ingest.ingestor import RunOptions
    from freeda_ingest.report import IngestReport
    from freeda_models.presets import Preset

EPILOG = "Example: freeda ingest captions.jsonl --bank flowers --preset sd21 --message 'first captions'"
_SHOWN_REJECTS = 5
_SHOWN_WORDS = 8
_SHOWN_NOTES = 3


class FormatName(StrEnum):
    """What a captions file may be; the names of :class:`freeda_ingest.CaptionFormat`, without its imports."""

    JSONL = "jsonl"
    JSON = "json"
    COCO = "coco"
    TEXT = "text"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"


CaptionsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="CAPTIONS",
        help="Captions files, as they are or packed (.gz, .zst): JSON Lines, JSON, plain lines, COCO, CSV, "
        "TSV, Parquet, or a folder with Hugging Face metadata; '-' is standard input.",
    ),
]
NewBankOption = Annotated[
    str,
    bank_option("The bank: a folder or a profile's name; a new one is made."),
]
NewPresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        show_default="the bank's own, tiny for a new bank",
        help="Which models to use: a bundled preset (see `freeda models list`) or a preset file; sd21 for "
        "photographs.",
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit", metavar="N", min=1, show_default="all", help="Take at most so many captions of each file."
    ),
]
BatchSizeOption = Annotated[
    str | None,
    typer.Option(
        "--batch-size",
        metavar="N|auto",
        show_default="the preset's",
        help="How many captions are drawn together; 'auto' is what a CUDA device holds, measured once.",
        rich_help_panel=MACHINE,
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Base of every picture's seed; another one draws others.",
        rich_help_panel=RUN,
    ),
]
MessageOption = Annotated[
    str,
    typer.Option(
        "--message",
        "-m",
        metavar="TEXT",
        show_default="the file's name",
        help="What the history says of this revision.",
        rich_help_panel=RUN,
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Stop at the first line that is no caption, before drawing.", rich_help_panel=RUN
    ),
]
FieldOption = Annotated[
    str,
    typer.Option(
        "--field",
        metavar="NAME",
        show_default="found by its name",
        help="The field or column that holds the captions; a number is a column of a table without a header.",
    ),
]
FormatOption = Annotated[
    FormatName | None,
    typer.Option("--format", show_default="found by content", help="How the captions files are written."),
]


def ingest(
    captions: CaptionsArgument,
    bank: NewBankOption = DEFAULT_BANK,
    preset: NewPresetOption = None,
    field: FieldOption = "",
    format: FormatOption = None,
    limit: LimitOption = None,
    batch_size: BatchSizeOption = None,
    seed: SeedOption = 0,
    message: MessageOption = "",
    strict: StrictOption = False,
    device: DeviceOption = "auto",
    devices: DevicesOption = None,
    executor: ExecutorOption = ExecutorName.LOCAL,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw captions, read a prototype of every noun from the pictures, and keep them in a bank.

    Running the same command again adds nothing twice, and goes on where a run was cut short. Lines
    that are no captions are listed, kept in a rejects file, and do not stop the run.
    """
    from freeda_ingest.captions.detection import CaptionFormat
    from freeda_ingest.errors import CaptionsError
    from freeda_ingest.ingestor import RunOptions, open_ingestor
    from freeda_store.opening.hindrances import require_writable

    options = RunOptions(
        limit=limit,
        batch_size=batch_size_of(batch_size),
        seed=seed,
        message=message,
        strict=strict,
        field=field,
        format=CaptionFormat(format.value) if format else None,
    )
    _check_files(captions, options)
    place = place_of(executor, device, devices, workers)
    require_writable(bank)
    chosen = preset_for(bank, preset)
    console.note(f"bank {bank}, preset {chosen.name}")
    announce_download(chosen, bank=bank)
    useless: list[str] = []
    told: list[dict[str, Any]] = []
    with open_ingestor(bank, chosen, device=place.device, executor=place.executor) as ingestor:
        for path in captions:
            with IngestBar(path) as bar:
                report = ingestor.run(path, options, bar)
            told.append(report_values(path, report))
            if as_json:
                warn_of_pictures(report)
            else:
                _show(path, report, chosen)
            if report.interrupted and as_json:
                console.emit_json(told)
            if report.interrupted:
                _tell_how_to_go_on(report, options)
            if report.rejected and not report.captions:
                useless.append("standard input" if path == "-" else path)
    if as_json:
        console.emit_json(told)
    if useless:
        raise CaptionsError(
            f"nothing in {', '.join(useless)} is a caption; the reasons are above. Captions are one per "
            "line, or in a field that is called 'caption' or named with --field."
        )


def batch_size_of(text: str | None) -> int | Literal["auto"] | None:
    """What ``--batch-size`` asks for.

    Raises:
        UsageError: neither a number from 1 on nor ``auto``.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"--batch-size is '{text}'; give a number from 1 on, or 'auto'.")
    return int(text)


def _check_files(captions: list[str], options: RunOptions) -> None:
    """Find out before anything is drawn that a file of the list cannot be read, or holds no captions."""
    from freeda_ingest.captions.reader import open_captions
    from freeda_ingest.captions.sources import STDIN

    if captions.count(STDIN) > 1:
        raise UsageError("standard input can be read only once; give '-' once.")
    for path in captions:
        live = path == STDIN or Path(path).is_fifo() or Path(path).is_char_device()
        if not live:
            open_captions(path, field=options.field, format=options.format).close()


def _tell_how_to_go_on(report: IngestReport, options: RunOptions) -> None:
    console.note(
        f"stopped after the batch in hand; {console.count(report.written, 'caption')} of this run "
        "are kept. Run the same command again to go on from here."
    )
    if options.seed:
        console.note(f"Keep --seed {options.seed}, or it will be another run.")
    raise typer.Exit(INTERRUPTED)


def _show(path: str, report: IngestReport, preset: Preset) -> None:
    console.show_facts(report_facts(path, report))
    warn_of_pictures(report)
    if report.unknown_nouns:
        words = [f"'{word}' ({times:,})" for word, times in report.unknown_nouns.items()]
        console.warn(unknown_words(preset, words[:_SHOWN_WORDS], len(words)))


def warn_of_pictures(report: IngestReport) -> None:
    """Report captions that were refused, cut or not drawn, and batches that did not fit."""
    for line in report.notes[:_SHOWN_NOTES]:
        console.warn(line)
    noted = report.cut_captions + report.undrawn + report.refused
    if noted > _SHOWN_NOTES:
        only_cut = noted == report.cut_captions
        what = "with nouns beyond the text encoder's window" if only_cut else "like these"
        console.warn(f"{console.count(noted - _SHOWN_NOTES, 'more caption')} {what}.")
    if report.halved:
        console.warn(
            f"{console.count(report.halved, 'batch', 'batches')} did not fit the device's memory, and "
            "were drawn in halves; a smaller --batch-size is faster."
        )


def report_values(path: str, report: IngestReport) -> dict[str, Any]:
    """What a run came to, as JSON values."""
    return {
        "captions_from": path,
        "captions": report.captions,
        "written": report.written,
        "done_before": report.done_before,
        "duplicates": report.duplicates,
        "without_nouns": report.without_nouns,
        "blank_lines": report.blank_lines,
        "rejected": report.rejected,
        "rejects_path": None if report.rejects_path is None else str(report.rejects_path),
        "undrawn": report.undrawn,
        "prototypes": report.prototypes,
        "dropped": {str(name): number for name, number in report.dropped.items()},
        "unknown_nouns": dict(report.unknown_nouns),
        "seconds": report.total_seconds,
        "revision": None if report.revision is None else report.revision.number,
        "interrupted": report.interrupted,
    }


def report_facts(path: str, report: IngestReport) -> list[tuple[str, str]]:
    """What a run came to, as names and values; what is zero and unremarkable is left out."""
    facts = [("captions", f"{report.captions:,} read from {'standard input' if path == '-' else path}")]
    facts.append(("written", f"{report.written:,}"))
    facts.append(("done before", f"{report.done_before:,}"))
    if report.duplicates:
        facts.append(("repeated", f"{report.duplicates:,}; drawn once"))
    if report.without_nouns:
        facts.append(("without nouns", f"{report.without_nouns:,}; not drawn"))
    if report.refused:
        facts.append(("not in English", f"{report.refused:,}; not drawn"))
    if report.blank_lines:
        facts.append(("blank lines", f"{report.blank_lines:,}; skipped"))
    facts.append(("rejected", _rejects(path, report)))
    if report.rejects_path is not None:
        facts.append(("rejects file", str(report.rejects_path)))
    if report.undrawn:
        facts.append(("not drawn", f"{report.undrawn:,}; the next run tries them again"))
    facts.append(("prototypes", f"{report.prototypes:,}"))
    if report.dropped:
        facts.append(("dropped", _counts(report.dropped)))
    stages = ", ".join(f"{name} {console.duration(took)}" for name, took in report.seconds.items())
    facts.append(("time", console.duration(report.total_seconds) + (f": {stages}" if stages else "")))
    facts.append(("revision", _revision(report)))
    return facts


def _rejects(path: str, report: IngestReport) -> str:
    name = "-" if path == "-" else Path(path).name
    lines = [f"{report.rejected:,}"]
    for reject in report.first_rejects[:_SHOWN_REJECTS]:
        place = f"{name}:{reject.line}" if reject.line else name
        lines.append(f"{place}: {reject.reason}")
    if report.rejected > _SHOWN_REJECTS:
        lines.append(f"and {report.rejected - _SHOWN_REJECTS:,} more")
    return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name.replace('_', ' ')} {number:,}" for name, number in ordered)


def _revision(report: IngestReport) -> str:
    if report.revision is not None:
        return f"{report.revision.number}: {report.revision.message}"
    if report.interrupted:
        return "left open; the same command goes on"
    return "none made, for nothing was new"
