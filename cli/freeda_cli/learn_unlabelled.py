"""``freeda learn --unlabelled``: regions of pictures that nobody named, for retrieval from regions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freeda_cli import console
from freeda_cli.errors import INTERRUPTED, UsageError
from freeda_cli.learn_report import refuse_nothing, run_facts, run_values
from freeda_cli.presets import announce_download, preset_of_existing
from freeda_cli.progress import LearnBar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from freeda_learn import LearnOptions, LearnReport, RegionLimits, UnlabelledPicture

UnlabelledOption = Annotated[
    bool,
    typer.Option(
        "--unlabelled",
        help="Keep the regions of these pictures without a name, for retrieval from regions "
        "(--retrieval both); no class name finds them.",
    ),
]
MinShareOption = Annotated[
    float | None,
    typer.Option(
        "--min-share",
        metavar="SHARE",
        show_default="0.01",
        help="With --unlabelled: the least share of the picture that a region covers.",
    ),
]
MostRegionsOption = Annotated[
    int | None,
    typer.Option(
        "--most-regions",
        metavar="N",
        show_default="20",
        help="With --unlabelled: how many regions of a picture at most, the largest first.",
    ),
]


def region_limits(min_share: float | None, most_regions: int | None) -> RegionLimits:
    """The limits of regions, with their defaults for what was not given.

    Raises:
        OptionError: one is out of range.
    """
    from freeda_learn import RegionLimits

    given = {"min_share": min_share, "most": most_regions}
    told: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(RegionLimits(), **told)


def require_no_names(given: Mapping[str, bool]) -> None:
    """Refuse options that say what pictures show.

    Args:
        given: by option, whether it was.

    Raises:
        UsageError: names the first.
    """
    for option, was_given in given.items():
        if was_given:
            raise UsageError(f"--unlabelled keeps regions that nobody named; leave out {option}.")


def learn_unlabelled(
    pictures: Sequence[str],
    provenance: UnlabelledPicture,
    limits: RegionLimits,
    options: LearnOptions,
    *,
    bank: str,
    preset: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Divide pictures, and say what came of it.

    Args:
        pictures: files, folders and patterns.
        provenance: what all pictures get: source, licence and URL.
        limits: which regions are kept.
        options: of the run.
        bank, preset, device: as they were given.
        as_json: whether programs read the report.
    """
    from freeda_cli.pictures import find_pictures
    from freeda_learn import open_learner
    from freeda_store.opening.hindrances import require_writable

    found = find_pictures(pictures).pictures
    require_writable(bank)
    chosen = preset_of_existing(bank, preset)
    console.note(f"bank {bank}, preset {chosen.name}")
    announce_download(chosen, bank=bank)
    where = [str(Path(each).absolute()) for each in pictures]
    message = f"regions of {', '.join(Path(each).name for each in where[:3])}"
    options = replace(options, message=options.message or message, name=f"learn unlabelled {' '.join(where)}")
    with open_learner(bank, chosen, device=device) as learner, LearnBar("pictures") as bar:
        items = [replace(provenance, picture=path) for path in found]
        report = learner.learn_unlabelled(items, options, bar, limits=limits)
    if report.interrupted:
        console.note("stopped after the batch in hand; run the same command again to go on from here.")
        raise typer.Exit(INTERRUPTED)
    _show(report, bank, as_json=as_json)


def _show(report: LearnReport, bank: str, *, as_json: bool) -> None:
    refuse_nothing(report)
    new = sum(report.learned.values())
    if as_json:
        console.emit_json({"pictures": report.examples, "divided": new} | run_values(report))
        return
    facts = [("pictures", f"{report.examples:,}"), ("divided", f"{new:,}")]
    console.show_facts(facts + run_facts(report))
    console.note(
        f"no class name finds these regions; `freeda segment ... --bank {quote(bank)} --retrieval both` uses "
        "them."
    )
