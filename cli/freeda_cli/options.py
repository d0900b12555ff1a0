"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from freeda_cli import console

DEFAULT_BANK = "freeda-bank"
DEFAULT_PRESET = "tiny"
MACHINE = "Models and machine"
FILES = "Files written"
RUN = "The run"
"""Panels of options, below the basic ones."""
BANK_VARIABLE = "FREEDA_BANK"


def bank_option(text: str) -> Any:
    """``--bank`` with the help that fits the command."""
    return typer.Option(
        "--bank",
        "-b",
        metavar="ADDRESS",
        envvar=BANK_VARIABLE,
        show_envvar=True,
        callback=_note_hidden_profile,
        help=text,
    )


def _note_hidden_profile(address: str | None) -> str | None:
    """Say when a bank in a folder stands before a profile of the same name."""
    from freeda_store.address import Address
    from freeda_store.errors import AddressError
    from freeda_store.profiles.finding import hides_profile

    try:
        folder = Address.parse(address or "").folder
    except AddressError:  # said when the bank is opened
        return address
    if hides_profile(folder):
        console.warn(
            f"'{folder}' is both a folder with a bank and a profile; the folder is used. Rename it, or work "
            "in another directory, to use the profile."
        )
    return address


def where_option(what: str, example: str = "contrast>=1.5") -> Any:
    """``--where``, with what the command does to the prototypes that pass."""
    text = f"{what}, e.g. 'source=coco', '{example}', 'noun=car|bus'; several must all hold."
    return typer.Option("--where", metavar="FILTER", help=text)


BankOption = Annotated[
    str,
    bank_option("The bank: a folder or a profile's name; BANK@3 is its revision 3, BANK@TAG a tagged one."),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="NAME|FILE.toml",
        show_default="the bank's own",
        help="Which models to use: a bundled preset (see `freeda models list`) or a preset file.",
        rich_help_panel=MACHINE,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Where to compute: auto, cpu, cuda, cuda:1 or mps.",
        rich_help_panel=MACHINE,
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Replace also files that freeda did not write; inputs are never replaced."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]


def help_of(command: Callable[..., None]) -> str:
    """A command's docstring as its help: each paragraph on one line, for the terminal to wrap."""
    paragraphs = inspect.cleandoc(command.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
