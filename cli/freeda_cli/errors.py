"""Turns errors into one line and an exit code: 2 for misuse, 1 for failure, 130 for Ctrl-C."""

from __future__ import annotations

import traceback

import typer

from freeda_cli import console
from freeda_errors import FreedaError

FAILURE = 1
MISUSE = 2
INTERRUPTED = 130

_LONGEST_WORD = 400
_SHOWN_OF_WORD = 100


class UsageError(FreedaError):
    """The command line asks for something that cannot be; the message says what to write instead."""

    exit_code = MISUSE


def report(error: Exception, *, debug: bool = False) -> int:
    """Print one line about an error, and its traceback when asked; returns the exit code."""
    if isinstance(error, typer.TyperException):
        if error.format_message().strip():  # empty after a bare `freeda bank`, which printed its help
            console.fail(_usage_message(error))
        return error.exit_code
    if debug:
        traceback.print_exception(error)
    hint = "" if is_known(error) or debug else " (run again with `freeda --debug ...` to see where)"
    console.fail(describe(error) + hint)
    return error.exit_code if isinstance(error, FreedaError) else FAILURE


def is_known(error: Exception) -> bool:
    """Whether somebody thought of this error: its message then says what to do."""
    return isinstance(error, FreedaError | OSError | MemoryError)


def describe(error: Exception) -> str:
    """The line of an error."""
    line = _one_line(error)
    return line if is_known(error) else f"unexpected {type(error).__name__}: {line}"


def report_one(ctx: typer.Context, name: object, error: Exception) -> str:
    """Print the line of one broken thing among many, which go on; returns it."""
    if ctx.find_root().params.get("debug"):
        traceback.print_exception(error)
    line = describe(error)
    line = line if str(name) in line else f"{name}: {line}"
    console.fail(line)
    return line


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}." if error.filename is None else f"{error.filename}: {error.strerror}."
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or use smaller batches or pictures."
    return _shortened(str(error)) or type(error).__name__


def _shortened(text: str) -> str:
    """Text on one line, what nobody can read cut out of its words."""
    words = (
        word if len(word) <= _LONGEST_WORD else f"{word[:_SHOWN_OF_WORD]}...{word[-_SHOWN_OF_WORD:]}"
        for word in text.split()
    )
    return " ".join(words)


def _usage_message(error: typer.TyperException) -> str:
    message = _shortened(error.format_message()).replace("Value error, ", "")
    message = message if message.endswith("?") else message.rstrip(".") + "."
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "freeda"
    return f"{message} See `{command} --help`."
