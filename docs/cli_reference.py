"""Writes ``docs/cli.md`` from the application itself, or checks that it is up to date.

``python -m docs.cli_reference`` writes; ``--check`` only compares, and exits with 1 when it is stale.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from docs.generated import write_or_check
from freeda_cli.main import app

PAGE = Path(__file__).with_name("cli.md")
_HIDDEN = ("install_completion", "show_completion", "help")
_HEAD = """# Command line

Written by `make docs` from the application itself; change the help texts in `cli/`, not this page.

Results go to standard output, messages and progress bars to standard error. The options of `freeda` itself
stand before the command: `freeda --debug segment ...`.

What need not be said each time stands in `freeda.toml` in the folder where a command is given, or in a table
`[defaults]` of the settings file (`~/.config/freeda/settings.toml`):

```toml
bank = "flowers"
device = "cuda"
format = ["overlay", "coco"]         # of freeda segment
classes = ["red car", "tree|spruce"]  # where neither --classes nor --classes-file is given
```

The command line wins, then `FREEDA_BANK`, then the folder's file, then the settings file. Every command that
reports something has `--json`.

| exit code | meaning |
|---|---|
| 0 | all went well |
| 1 | something failed, also when it was one of many |
| 2 | the command line asked for something that cannot be |
| 130 | Ctrl-C |
"""


def reference() -> str:
    """The whole page."""
    command = get_command(app)
    context = typer.Context(command, info_name="freeda")
    return "\n".join([_HEAD, *_command(command, context, level=2)]).rstrip() + "\n"


def _command(command: Any, context: Any, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{context.command_path}`"
    yield ""
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""
    children = getattr(command, "commands", {})
    yield "```"
    yield _usage(command, context, bool(children))
    yield "```"
    yield ""
    if command.epilog:
        label, _, example = command.epilog.partition(": ")
        yield f"{label}: `{example}`"
        yield ""
    yield from _parameters(command, context)
    for name, child in children.items():
        yield from _command(child, type(context)(child, info_name=name, parent=context), level + 1)


def _usage(command: Any, context: Any, is_group: bool) -> str:
    names = [
        (parameter.metavar or parameter.name.upper()) + ("..." if parameter.nargs == -1 else "")
        for parameter in command.params
        if parameter.param_type_name == "argument"
    ]
    return " ".join([context.command_path, *names, "[OPTIONS]", *(["COMMAND ..."] if is_group else [])])


def _parameters(command: Any, context: Any) -> Iterator[str]:
    shown = [parameter for parameter in command.params if parameter.name not in _HIDDEN]
    if not shown:
        return
    yield "| parameter | meaning | default |"
    yield "|---|---|---|"
    for parameter in shown:
        cells = (_name(parameter, context), parameter.help or "", _default(parameter))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _name(parameter: Any, context: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
    if parameter.is_flag:
        return flags
    value = parameter.metavar or parameter.display_type(context).strip("<>").upper()
    repeated = " (repeatable)" if parameter.multiple else ""
    return f"{flags} `{value}`{repeated}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        told = parameter.show_default
    elif parameter.default is None or parameter.default is False or parameter.default == "":
        told = ""
    else:
        told = f"`{getattr(parameter.default, 'value', parameter.default)}`"
    if parameter.envvar:
        told = f"`${parameter.envvar}`, else {told}" if told else f"`${parameter.envvar}`"
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page, or check it."""
    write_or_check(PAGE, reference(), arguments)


if __name__ == "__main__":
    main()
