"""``freeda bank import-freeda``: the bank that the authors of FreeDA published."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freeda_cli import console
from freeda_cli.options import DEFAULT_BANK, JsonOption, bank_option
from freeda_cli.progress import AuthorsBar

if TYPE_CHECKING:
    from freeda_store.authors.copy import AuthorsReport

EPILOG = "Example: freeda bank import-freeda prototype_embeddings faiss_index/knn.index --bank authors"
_SHOWN = 5


def import_freeda(
    embeddings: Annotated[
        Path,
        typer.Argument(metavar="EMBEDDINGS_DIR", help="The folder of .npy files, with nothing else in it."),
    ],
    index: Annotated[Path, typer.Argument(metavar="KNN.INDEX", help="Their faiss index.")],
    bank: Annotated[
        str,
        bank_option("The bank to import into: a folder or a profile's name; a new one is made."),
    ] = DEFAULT_BANK,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            metavar="NAME|FILE.toml",
            help="Whose CLIP and backbone the prototypes were made with.",
        ),
    ] = "sd21",
    message: Annotated[
        str,
        typer.Option(
            "--message",
            "-m",
            metavar="TEXT",
            show_default="the folder's name",
            help="What the history says of this revision.",
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Read the bank that the authors of FreeDA published: a folder of .npy prototypes and a faiss index.

    The prototypes come without pictures, captions and scores; nouns are read from the files' names.
    Stopped at any moment, the same command goes on where it was.
    """
    from freeda_ingest.authors import import_authors_bank

    with AuthorsBar(embeddings.name) as bar:
        report = import_authors_bank(bank, embeddings, index, preset=preset, message=message, progress=bar)
    if as_json:
        console.emit_json(asdict(report))
    else:
        console.show_facts(authors_facts(bank, report))


def authors_facts(address: str, report: AuthorsReport) -> list[tuple[str, str]]:
    """What an import came to, as names and values."""
    facts = [
        ("bank", address),
        ("files", f"{report.files:,}"),
        ("written", f"{report.written:,}"),
        ("done before", f"{report.done_before:,}"),
        ("skipped", _skipped(report)),
    ]
    if report.revision is None:
        return [*facts, ("revision", "none made, for nothing was new")]
    return [*facts, ("revision", f"{report.revision.number}: {report.revision.message}")]


def _skipped(report: AuthorsReport) -> str:
    lines = [f"{report.skipped:,}"]
    lines += [f"{name}: {reason}" for name, reason in report.first_skipped[:_SHOWN]]
    if report.skipped > _SHOWN:
        lines.append(f"and {report.skipped - _SHOWN:,} more")
    return "\n".join(lines)
