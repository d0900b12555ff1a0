"""The commands that pages offer to be copied, with the options that this one was given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from freeda_models.segmentation import CommandSettings, settings_of

if TYPE_CHECKING:
    from freeda_segment.outputs.commands import Commands

_SHARED = frozenset({"classes", "classes_file", "preset", "device", *settings_of(CommandSettings)})
"""The parameters that ``segment`` and ``explain`` have alike and that shape labels, but for the bank."""
_LEARNING = frozenset({"preset", "device"})


def next_commands(ctx: typer.Context, picture: Path, bank: str, page: Path | None) -> Commands:
    """What may follow on a picture of ``segment`` or ``explain``.

    Args:
        ctx: of the command.
        picture: that it is about.
        bank: its address.
        page: where the explanation goes; None for where it goes by itself.
    """
    from freeda_segment.outputs.commands import Commands, file_word
    from freeda_store.address import Address

    pinned = Address.parse(bank).version is not None
    of_picture = (file_word(picture), "--bank", bank)
    out = () if page is None else ("--out", str(page))
    explain = ("freeda", "explain", *of_picture, *_given(ctx, _SHARED), *out)
    if pinned:
        return Commands(explain)
    learn = ("freeda", "learn", *of_picture, *_given(ctx, _LEARNING))
    return Commands(explain, learn, ("freeda", "bank", "rollback", "--bank", bank))


def _given(ctx: typer.Context, names: frozenset[str]) -> Iterator[str]:
    """The options of a command that somebody gave, on the command line or as a default, as words."""
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name or "")
        if parameter.name in names and source is not None and source.name != "DEFAULT":
            yield from _words(parameter, ctx.params[parameter.name])


def _words(option: Any, value: object) -> Iterator[str]:
    flag = min(option.opts, key=len)
    if value is True:
        yield flag
    elif value is not None and value is not False:
        for each in value if isinstance(value, list | tuple) else [value]:
            yield from (flag, str(each))
