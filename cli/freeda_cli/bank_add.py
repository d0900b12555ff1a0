"""``freeda bank add``: new concepts for a bank, and how they stand apart in it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freeda_cli import console
from freeda_cli.errors import INTERRUPTED
from freeda_cli.ingest import BatchSizeOption, batch_size_of, warn_of_pictures
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption
from freeda_cli.presets import announce_download, preset_of_existing, unknown_words
from freeda_cli.progress import IngestBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from freeda_ingest.report import IngestReport
    from freeda_store.views.separation import Neighbour, Separation

EPILOG = 'Example: freeda bank add forklift "red forklift" --images 20 --bank flowers'
_ALIKE = 0.95
"""Nouns with text keys nearer than this share their prototypes when pictures are segmented."""

_SHOWN = 3


def add(
    concepts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CONCEPT]...", help="Nouns or short phrases, e.g. forklift."),
    ] = None,
    classes_file: Annotated[
        Path | None,
        typer.Option(
            "--classes-file",
            metavar="FILE",
            help="A list of classes, one a line, as `freeda segment` takes it: every name is a concept.",
        ),
    ] = None,
    images: Annotated[
        int,
        typer.Option(
            "--images", metavar="N", min=1, max=100_000, help="How many pictures of each concept, in all."
        ),
    ] = 20,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    batch_size: BatchSizeOption = None,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, help="Another one takes other scenes and pictures.")
    ] = 0,
    message: Annotated[
        str,
        typer.Option(
            "--message",
            "-m",
            metavar="TEXT",
            show_default="add CONCEPT",
            help="What the history says of this revision.",
        ),
    ] = "",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Draw new concepts in varied scenes, add their prototypes, and report how they stand apart.

    The captions are made from the name. Running the same command again adds nothing, or goes on where
    it was cut short; more --images add the difference. The report on a concept is how near it lies
    to others of the bank, in the text space and by looks, and which of them it can be confused with.
    """
    from freeda_ingest.concepts import add_concepts, parse_concepts
    from freeda_ingest.ingestor import RunOptions
    from freeda_models.nouns.vocabulary import unknown_names
    from freeda_store import Bank, parse_filter
    from freeda_store.opening.hindrances import require_writable
    from freeda_store.views.separation import measure_separation

    require_writable(bank)
    names = parse_concepts([*_listed(classes_file), *(concepts or ())])
    chosen = preset_of_existing(bank, preset)
    console.note(f"bank {bank}, preset {chosen.name}")
    unknown = unknown_names(chosen, names)
    if unknown:
        console.warn(unknown_words(chosen, [f"'{name}'" for name in unknown], len(unknown)))
    announce_download(chosen, bank=bank)
    options = RunOptions(batch_size=batch_size_of(batch_size), seed=seed, message=message)
    with IngestBar(", ".join(names)) as bar:
        report = add_concepts(
            bank, names, images=images, preset=chosen, device=device, options=options, progress=bar
        )
    warn_of_pictures(report)
    if report.interrupted:
        console.note("stopped after the batch in hand; run the same command again to go on from here.")
        raise typer.Exit(INTERRUPTED)
    with Bank.open(bank) as opened:
        there = [name for name in names if any(opened.infos(parse_filter([f"noun={name}"])))]
        measured = measure_separation(opened, there)
    if as_json:
        console.emit_json(add_values(report, measured, unknown))
        return
    console.show_facts(add_facts(report))
    show_separations(measured, bank)
    for name in names:
        if name not in there:
            console.warn(f"no prototype of '{name}' could be read from its pictures; try another --seed.")


def _listed(file: Path | None) -> list[str]:
    """All names of a list of classes, those of one class after each other."""
    from freeda_segment.classes import read_classes_file

    if file is None:
        return []
    return [text for each in read_classes_file(file).classes for text in each.texts]


def add_values(
    report: IngestReport, measured: Sequence[Separation], unknown: Sequence[str]
) -> dict[str, Any]:
    """What ``bank add`` did and found, as JSON values."""
    return {
        "captions": report.captions,
        "written": report.written,
        "done_before": report.done_before,
        "prototypes": report.prototypes,
        "dropped": dict(report.dropped),
        "revision": None if report.revision is None else report.revision.number,
        "unknown": list(unknown),
        "concepts": [each.to_json() for each in measured],
    }


def add_facts(report: IngestReport) -> list[tuple[str, str]]:
    """What was drawn, as names and values."""
    facts = [
        ("captions", f"{report.captions:,} made"),
        ("written", f"{report.written:,}"),
        ("done before", f"{report.done_before:,}"),
        ("prototypes", f"{report.prototypes:,}"),
    ]
    if report.undrawn:
        facts.append(("not drawn", f"{report.undrawn:,}; the same command tries them again"))
    if report.dropped:
        parts = sorted(report.dropped.items(), key=lambda item: (-item[1], item[0]))
        facts.append(("dropped", ", ".join(f"{name.replace('_', ' ')} {times:,}" for name, times in parts)))
    revision = report.revision
    made = "none made, for nothing was new" if revision is None else f"{revision.number}: {revision.message}"
    return [*facts, ("time", console.duration(report.total_seconds)), ("revision", made)]


def show_separations(measured: Sequence[Separation], bank: str) -> None:
    """Print how concepts stand apart in their bank, and what can be done where they do not."""
    for each in measured:
        console.say("")
        console.show_facts(separation_facts(each))
        for hint in hints(each, bank):
            console.note(hint)


def separation_facts(each: Separation) -> list[tuple[str, str]]:
    """How a concept lies among the other nouns of its bank, as names and values."""
    facts = [
        ("concept", f"{each.noun}, {console.count(each.prototypes, 'prototype')}"),
        ("nearest texts", _neighbours(each.text_neighbours)),
        ("nearest looks", _neighbours(each.visual_neighbours)),
    ]
    if each.spread is not None:
        facts.append(("spread", f"{each.spread:.3f} on average between a prototype and the rest of its own"))
    if each.apart is not None and each.margin is not None:
        facts.append(("apart", f"{each.apart:.1%} are nearest to their own, by {each.margin:.3f}"))
    if each.confusions:
        lost = ", ".join(f"{other.noun} {other.share:.1%}" for other in each.confusions)
        facts.append(("confused with", lost))
    if each.kin:
        facts.append(("not compared", f"{', '.join(each.kin)}: the same thing with more or fewer words"))
    return facts


def _neighbours(near: Sequence[Neighbour]) -> str:
    return ", ".join(f"{other.noun} {other.cosine:.2f}" for other in near) or "none: it is the only noun"


def hints(each: Separation, bank: str) -> list[str]:
    """What a person can do about a concept that does not stand apart."""
    found = []
    alike = [other.noun for other in each.text_neighbours if other.cosine >= _ALIKE]
    if alike:
        found.append(
            f"'{each.noun}' has nearly the same text key as {', '.join(alike)}: they share their prototypes, "
            "and a picture is not to be divided between them."
        )
    if each.confusions and each.spread is not None:
        nearest = " and ".join(f"'{other.noun}'" for other in each.confusions[:_SHOWN])
        odd = quote(f"noun={each.noun},outlier_distance>{2 * each.spread:.2f}")
        place = quote(bank)
        found.append(
            f"look at them with `freeda bank show {quote(each.noun)} --bank {place}`, and at {nearest}; "
            f"`freeda bank prune --where {odd} --dry-run --bank {place}` lists the odd ones."
        )
    return found
