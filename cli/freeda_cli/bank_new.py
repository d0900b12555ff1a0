"""``freeda bank new``: an empty bank, to be taught from pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from freeda_cli import console
from freeda_cli.options import DEFAULT_PRESET
from freeda_cli.presets import announce_download

EPILOG = "Example: freeda bank new mine --preset sd21"


def new(
    bank: Annotated[
        str,
        typer.Argument(metavar="ADDRESS", help="The bank: a missing or empty folder, or a profile."),
    ],
    preset: Annotated[
        str,
        typer.Option("--preset", metavar="NAME|FILE.toml", help="Which models the bank is for: a preset's."),
    ] = DEFAULT_PRESET,
) -> None:
    """Make an empty bank without drawing anything, to be taught by `freeda learn`.

    An empty bank for the same models that is there already is left as it is.
    """
    from freeda_learn import new_bank
    from freeda_models.presets import load_preset
    from freeda_store.peek import is_there

    chosen = load_preset(preset)
    announce_download(chosen, bank=bank)
    was_there = is_there(bank)
    new_bank(bank, chosen)
    found = "was there already: " if was_there else "is "
    console.say(f"{bank} {found}an empty bank for the preset {chosen.name}")
    console.note(f"teach it with `freeda learn photo.jpg --at X,Y --as NAME --bank {bank}`.")
