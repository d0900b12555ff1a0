"""The options of every segmentation setting, made from what :mod:`freeda_models.segmentation` says of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin, get_type_hints

import typer

from freeda_cli.segment_settings import SettingChanges
from freeda_models.segmentation import About, CommandSettings, Option, Stage, settings_of

_CHANGES = "changes"


def with_segment_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of all settings; they reach it as its parameter ``changes``.

    Args:
        command: of typer, with a keyword-only parameter ``changes`` where the options shall stand.
    """
    options = list(_parameters())
    parameters: list[inspect.Parameter] = []
    for own in inspect.signature(command, eval_str=True).parameters.values():
        parameters.extend(options if own.name == _CHANGES else [own])

    @functools.wraps(command)
    def run(**given: Any) -> None:
        said = {option.name: given.pop(option.name) for option in options}
        changes = SettingChanges({name: value for name, value in said.items() if value not in (None, [])})
        command(**given, changes=changes)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def _parameters() -> Iterator[inspect.Parameter]:
    """A parameter for each setting with an option, those of one stage together."""
    hints = get_type_hints(CommandSettings)
    settings = settings_of(CommandSettings)
    for stage in Stage:
        for name, about in settings.items():
            if about.stage is stage and about.option is not None:
                kind, metavar = _read_as(hints[name])
                option = _option(name, about, about.option, metavar)
                yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _read_as(hint: Any) -> tuple[Any, str | None]:
    """The type that typer reads, and what stands for it; names are text here, for the settings to check."""
    kinds = {hint, *get_args(hint)}
    if bool in kinds:
        return bool, None
    if get_origin(hint) in (tuple, dict):
        return list[str] | None, "TEXT"
    if int in kinds:
        return int | None, "N"
    return (float | None, "NUMBER") if float in kinds else (str | None, "NAME")


def _option(name: str, about: About, option: Option, metavar: str | None) -> Any:
    default = getattr(CommandSettings, name, None)
    told: str | bool = option.default or (
        "the preset's" if default is None else f"the preset's, else {default}"
    )
    return typer.Option(
        False if metavar is None else None,
        option.flag or f"--{name.replace('_', '-')}",
        metavar=option.metavar or metavar,
        show_default=metavar is not None and told,
        help=_help(about, option),
        rich_help_panel=about.stage.value,
    )


def _help(about: About, option: Option) -> str:
    """The meaning, with what can be chosen, and what else is to be said."""
    first = option.meaning or about.meaning
    if about.choices:
        *others, last = about.choices
        first += f": {', '.join(others)} or {last}"
    elif about.most == 1:
        first += f", {about.least} to {about.most}"
    return " ".join(part for part in (f"{first}.", about.more, option.hint) if part).replace("`", "")
