"""What a person does not want to say each time: ``freeda.toml`` in the folder, and the user's settings.

``freeda.toml`` in the folder where a command is given::

    bank = "flowers"
    device = "cuda"
    format = ["overlay", "coco"]
    classes = ["red car", "tree|spruce"]

The same may stand in a table ``[defaults]`` of the user's settings file. What is said on the command line
wins, then FREEDA_BANK, then the folder's file, then the user's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from freeda_cli.errors import UsageError

FILE_NAME = "freeda.toml"
USER_TABLE = "defaults"
_PARAMETERS = {"bank": "bank", "device": "device", "format": "formats", "classes": "classes"}
"""Which parameter of the commands each name is for."""
_LISTS = ("format", "classes")
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Defaults:
    """What is not said on the command line.

    Attributes:
        values: by the names of the parameters.
        origins: the files that they are from.
    """

    values: Mapping[str, str | list[str]]
    origins: tuple[str, ...] = ()

    def map_for(self, command: Any) -> dict[str, Any]:
        """The default map of a command and those below it, as a context takes it."""
        children = getattr(command, "commands", None)
        if children is not None:
            return {name: self.map_for(child) for name, child in children.items()}
        names = {parameter.name for parameter in command.params if parameter.param_type_name == "option"}
        return {name: value for name, value in self.values.items() if name in names}


def load_defaults() -> Defaults:
    """Read the user's settings and the folder's file, which wins.

    Raises:
        UsageError: one of them cannot be read, or holds something else.
    """
    from freeda_store.profiles.settings_path import settings_path

    values: dict[str, str | list[str]] = {}
    origins = []
    for path, table in ((settings_path(), USER_TABLE), (Path(FILE_NAME), None)):
        found = dict(_read(path, table))
        if found:
            values |= found
            origins.append(str(path))
    return Defaults(values, tuple(origins))


def _read(path: Path, table: str | None) -> Iterator[tuple[str, str | list[str]]]:
    from freeda_store.files.regular_files import read_regular

    try:
        document = tomllib.loads(read_regular(path, _MOST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        if table is not None:  # whoever reads profiles will say so
            return
        raise UsageError(f"{path} cannot be read ({error}); correct it, or remove it.") from None
    given = document if table is None else document.get(table, {})
    if not isinstance(given, dict):
        raise UsageError(f"{path}: '{table}' is a table of defaults, such as bank = \"flowers\".")
    for name, value in given.items():
        checked = _checked(path, name, value)
        yield _PARAMETERS[name], checked


def _checked(path: Path, name: str, value: object) -> str | list[str]:
    from freeda_errors.documents import nearest

    if name not in _PARAMETERS:
        raise UsageError(
            f"{path}: '{name}' is not a known default{nearest(name, _PARAMETERS)}; known are "
            f"{', '.join(_PARAMETERS)}."
        )
    if name in _LISTS and isinstance(value, list) and all(isinstance(each, str) for each in value):
        return [str(each) for each in value]
    if not isinstance(value, str):
        kind = "text, or a list of texts" if name in _LISTS else "text"
        raise UsageError(f'{path}: {name} = {value!r} is not {kind}; write for example {name} = "...".')
    return [value] if name in _LISTS else value


def apply_defaults(context: typer.Context) -> Defaults:
    """Give the commands below a context their defaults."""
    found = load_defaults()
    if found.values:
        context.default_map = found.map_for(context.command)
    return found


def without_file(context: typer.Context, classes: list[str] | None) -> list[str] | None:
    """The classes of an option; those that are a default only where no file of classes is given.

    As options on the command line are read first, it is known here whether one is.
    """
    source = context.get_parameter_source("classes")
    is_default = source is not None and source.name == "DEFAULT_MAP"
    return None if is_default and context.params.get("classes_file") else classes
