"""``freeda bank export``, ``import``, ``publish``, ``fetch``: banks as files and in dataset repositories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli.bank_transfer import DiscardOption, TargetOption, copy_line, report_copy
from freeda_cli.errors import INTERRUPTED
from freeda_cli.options import DEFAULT_BANK, BankOption, JsonOption
from freeda_cli.progress import CopyBar

if TYPE_CHECKING:
    from freeda_store import CopyReport

EXPORT_EPILOG = "Example: freeda bank export flowers.zip --bank flowers"
IMPORT_EPILOG = "Example: freeda bank import flowers.zip --bank my-flowers"
PUBLISH_EPILOG = "Example: freeda bank publish my-team/flowers --bank flowers"
FETCH_EPILOG = "Example: freeda bank fetch my-team/flowers --bank flowers"

RepositoryArgument = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="A dataset repository of the Hugging Face Hub.")
]


def export_archive(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The archive to write, e.g. flowers.zip.")],
    bank: BankOption = DEFAULT_BANK,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a bank to one file: all its revisions with tags, vectors and pictures.

    BANK@3 gives the revisions up to that one. The file appears when it is whole.
    """
    from freeda_store import export_bank

    report = _run(bank, lambda bar: export_bank(bank, path, force=force, progress=bar), resumes=False)
    if as_json:
        console.emit_json(asdict(report))
    else:
        revisions = console.count(len(report.revisions), "revision")
        amount = f"{console.count(report.prototypes, 'prototype')}, {console.size(path.stat().st_size)}"
        console.say(f"{path}: {revisions}, {amount}")
    report_copy(report)


def import_archive(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, help="An archive made by `freeda bank export`."
        ),
    ],
    bank: TargetOption = DEFAULT_BANK,
    discard_unfinished: DiscardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Add what an archive has and a bank has not; a new bank is made.

    Every file inside is checked before it is used. Stopped at any moment, the same command goes on
    where it was.
    """
    from freeda_store import import_bank

    report = _run(
        str(path),
        lambda bar: import_bank(path, bank, progress=bar, discard_unfinished=discard_unfinished),
    )
    _show_copy(report, as_json=as_json)


def publish(
    repository: RepositoryArgument,
    bank: BankOption = DEFAULT_BANK,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload the revisions of a bank that a dataset repository has not; a new repository is made.

    Log in with `hf auth login` first, or set HF_TOKEN. Stopped at any moment, the same command goes
    on where it was.
    """
    from freeda_store import publish_bank

    report = _run(
        bank, lambda bar: publish_bank(bank, repository, private=True if private else None, progress=bar)
    )
    _show_copy(replace(report, kept_tags=()), as_json=as_json)
    for tag in report.kept_tags:
        console.warn(
            f"tag {tag.name} is revision {tag.source} in {report.source} and stays revision {tag.sink} in "
            f"{report.sink}; give the revision another tag and publish again."
        )


def fetch(
    repository: RepositoryArgument,
    bank: TargetOption = DEFAULT_BANK,
    revision: Annotated[
        str | None,
        typer.Option(
            "--revision",
            metavar="REV",
            show_default="its main branch",
            help="A branch, tag or commit of the repository.",
        ),
    ] = None,
    discard_unfinished: DiscardOption = False,
    as_json: JsonOption = False,
) -> None:
    """Download what a dataset repository has and a bank has not; a new bank is made.

    Every file is checked before it is used. Stopped at any moment, the same command goes on where it
    was.
    """
    from freeda_store import fetch_bank

    report = _run(
        repository,
        lambda bar: fetch_bank(
            repository, bank, revision=revision, progress=bar, discard_unfinished=discard_unfinished
        ),
    )
    _show_copy(report, as_json=as_json)


def _run(name: str, copy: Callable[[CopyBar], CopyReport], *, resumes: bool = True) -> CopyReport:
    try:
        with CopyBar(name) as bar:
            return copy(bar)
    except KeyboardInterrupt:
        again = "run the same command again to go on from here" if resumes else "nothing was written"
        console.note(f"stopped; {again}.")
        raise typer.Exit(INTERRUPTED) from None


def _show_copy(report: CopyReport, *, as_json: bool) -> None:
    if as_json:
        console.emit_json(asdict(report))
    else:
        console.say(copy_line(report))
    report_copy(report)
