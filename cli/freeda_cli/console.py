"""Everything the commands print goes through here.

What programs read goes to standard output, messages and bars to standard error. Without a terminal
nothing is coloured, wrapped or animated; ``NO_COLOR`` is honoured.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from freeda_store.views.amounts import count as count
from freeda_store.views.amounts import size as size

_WIDE = 10_000
_WORD = 40


def stdout() -> Console:
    """The console of results. Made anew each time, for tests and callers redirect streams."""
    return _console(to_stderr=False)


def stderr() -> Console:
    """The console of messages and bars."""
    return _console(to_stderr=True)


def _console(*, to_stderr: bool) -> Console:
    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(stderr=to_stderr, width=width, highlight=False, markup=False, emoji=False)


def printable(text: object) -> str:
    """Text on one line that no terminal takes for a command: escapes what cannot be shown."""
    return "".join(c if c.isprintable() else _escaped(c) for c in str(text))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(text: str) -> None:
    """One line of result."""
    stdout().print(Text(printable(text)), soft_wrap=True)


def note(text: str) -> None:
    """One line for the person watching."""
    stderr().print(Text(printable(text), style="dim"), soft_wrap=True)


def warn(text: str) -> None:
    """One line that should not be overlooked."""
    _labelled("warning", "yellow", text)


def fail(text: str) -> None:
    """The one line of an error."""
    _labelled("error", "red", text)


def _labelled(label: str, style: str, text: str) -> None:
    stderr().print(Text.assemble((f"{label}: ", f"bold {style}"), printable(text)), soft_wrap=True)


def emit_json(value: object) -> None:
    """A value as indented JSON on standard output, for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show_facts(facts: Iterable[tuple[str, str]], *, to_stderr: bool = False) -> None:
    """Names and values in two columns. A value's further lines stay in its column."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts:
        grid.add_row(name, Text("\n".join(printable(line) for line in value.split("\n"))))
    _print_table(stderr() if to_stderr else stdout(), grid)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on standard output; columns whose name ends in ``#`` are numbers, set to the right.

    Words are not broken, so that ids can be copied: where a terminal has no room for the longest words
    of all columns, a row is one line, which the terminal breaks.
    """
    lines = [[printable(cell) for cell in row] for row in rows]
    names = [column.removesuffix("#") for column in columns]
    console = stdout()
    cells = list(zip(names, *lines, strict=True))
    least = [max(map(_longest_word, column)) for column in cells]
    room = console.width - 2 * len(cells)
    if sum(least) > room:
        console, room = Console(width=_WIDE, highlight=False, markup=False, emoji=False), _WIDE
    widths = _shared_out(room, least, [max(map(cell_len, column)) for column in cells])
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column, name, width in zip(columns, names, widths, strict=True):
        justify: Literal["left", "right"] = "right" if column != name else "left"
        table.add_column(name, justify=justify, overflow="fold", width=width)
    for line in lines:
        table.add_row(*map(Text, line))
    _print_table(console, table)


def _shared_out(room: int, least: Sequence[int], most: Sequence[int]) -> list[int]:
    """Widths of columns: all get their least, and the wanting ones equal parts of what is left."""
    widths = list(least)
    while (spare := room - sum(widths)) > 0:
        wanting = [index for index, width in enumerate(widths) if width < most[index]]
        if not wanting:
            break
        for index in wanting[:spare]:
            widths[index] += 1
    return widths


def _longest_word(text: str) -> int:
    """Cells that no table breaks, as far as they are no longer than an id."""
    return min(_WORD, max((cell_len(word) for word in text.split()), default=0))


def _print_table(console: Console, table: Table) -> None:
    if console.is_terminal and console.width < _WIDE:
        console.print(table)
        return
    with console.capture() as capture:
        console.print(table)
    console.file.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def duration(seconds: float) -> str:
    """``0.42 s``, ``12.3 s``, ``3 min 05 s``, ``2 h 07 min``."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
