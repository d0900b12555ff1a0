"""``freeda bank push`` and ``freeda bank pull``: bring one bank up to another."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli.errors import INTERRUPTED
from freeda_cli.options import DEFAULT_BANK, BankOption, JsonOption, bank_option
from freeda_cli.progress import CopyBar

if TYPE_CHECKING:
    from freeda_store import CopyReport

PUSH_EPILOG = "Example: freeda bank push team --bank flowers"
PULL_EPILOG = "Example: freeda bank pull team@v2 --bank flowers"

TargetOption = Annotated[
    str,
    bank_option("The bank to bring up to date: a folder or a profile's name; a new one is made."),
]
DiscardOption = Annotated[
    bool,
    typer.Option(
        "--discard-unfinished",
        help="Forget runs that ended early in the bank that is copied to, where they stand in the way.",
    ),
]


def push(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TO", help="The bank to copy to: a folder or a profile's name; made when new."
        ),
    ],
    bank: BankOption = DEFAULT_BANK,
    discard_unfinished: DiscardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the revisions of a bank that another does not have yet, with pictures and tags.

    Both banks then show the same at every version. Stopped at any moment, the same command goes on
    where it was; until a revision is whole nobody sees any of it. Histories are never merged: each
    bank may only be ahead of the other.
    """
    _copy(bank, target, discard_unfinished=discard_unfinished, as_json=as_json)


def pull(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FROM",
            help="The bank to copy from: a folder or a profile's name; FROM@3 up to revision 3.",
        ),
    ],
    bank: TargetOption = DEFAULT_BANK,
    discard_unfinished: DiscardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Copy the revisions of another bank that this one does not have yet, with pictures and tags.

    The same as `push` in the other direction: stopped at any moment, the same command goes on where
    it was, and histories are never merged.
    """
    _copy(source, bank, discard_unfinished=discard_unfinished, as_json=as_json)


def _copy(source: str, target: str, *, discard_unfinished: bool, as_json: bool) -> None:
    from freeda_store import copy_bank

    try:
        with CopyBar(source) as bar:
            report = copy_bank(source, target, progress=bar, discard_unfinished=discard_unfinished)
    except KeyboardInterrupt:
        console.note("stopped; run the same command again to go on from here.")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        console.emit_json(asdict(report))
    else:
        console.say(copy_line(report))
    report_copy(report)


def copy_line(report: CopyReport) -> str:
    """One line about what was copied."""
    if not report.revisions:
        tags = f"; tagged {', '.join(report.tags)}" if report.tags else ""
        return f"nothing new: {report.sink} has all revisions of {report.source}{tags}"
    first, last = report.revisions[0], report.revisions[-1]
    which = f"revision {first}" if first == last else f"revisions {first} to {last}"
    tags = f", tags {', '.join(report.tags)}" if report.tags else ""
    amount = f"{console.count(report.prototypes, 'prototype')}, {console.size(report.bytes)}"
    return f"{report.source} to {report.sink}: {which}, {amount}{tags}"


def report_copy(report: CopyReport) -> None:
    """What a person should know beside the result: what was left out, and what differs still."""
    if report.ahead:
        ahead = console.count(report.ahead, "revision")
        console.note(f"{report.sink} is ahead by {ahead}; copy in the other direction to share them.")
    for tag in report.kept_tags:
        console.warn(
            f"tag {tag.name} is revision {tag.source} in {report.source} and stays revision {tag.sink} in "
            f"{report.sink}; `freeda bank tag {tag.name} --at {tag.source} --move --bank {report.sink}` "
            "moves it."
        )
    if report.missing_thumbnails:
        missing = console.count(report.missing_thumbnails, "thumbnail")
        console.warn(f"{missing} of {report.source} could not be read and were not copied.")
