"""What fuzz tests share: hostile values, documents with something wrong, and what an answer may be.

The examples are the same at every run; ``FREEDA_FUZZ_EXAMPLES`` asks for more of them than a usual run tries.
"""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from freeda_cli import errors

EXAMPLES = int(os.environ.get("FREEDA_FUZZ_EXAMPLES", "40"))
LONGEST_MESSAGE = 1200

fuzz = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EXAMPLES,
    print_blob=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
"""Of every fuzz test."""

commands = settings(fuzz, max_examples=max(1, EXAMPLES // 4))
"""Of fuzz tests that run whole commands, which take long."""

INTEGERS = [0, -1, 1, 2**31, 2**31 - 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**20, 10**400, 10**4000]
FLOATS = [0.0, -0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf")]
TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\udcff",
    "\ud800x",
    "\r\n",
    "\x1b[31m",
    "\u202e",
    "..",
    "/",
    "~nobody-here/x",
    "@",
    "a@b@c",
    "%s{}",
    "'; DROP TABLE revision; --",
    "<script>",
    "é" * 300,
    "x" * 5000,
]


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


integers = st.one_of(st.sampled_from(INTEGERS), st.integers())
numbers = st.one_of(integers, st.sampled_from(FLOATS), st.floats())
texts = st.one_of(
    st.sampled_from(TEXTS), st.text(max_size=20), st.text(st.characters(categories=["Cs"]), max_size=3)
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.text(max_size=8), scalars, max_size=3),
    st.sampled_from([40, 300]).map(deep),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a document, itself first."""
    yield path
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(document, dict):
        children = document.items()
    elif isinstance(document, list | tuple):
        children = enumerate(document)
    for key, value in children:
        yield from places(value, (*path, key))


@st.composite
def altered(draw: st.DrawFn, document: Any, among: st.SearchStrategy[Any] = values) -> Any:
    """A document in which one or two things were replaced, removed or added."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        way = draw(st.sampled_from(list(places(made))))
        action = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if not way:
            if action == "replace" and draw(st.booleans()):
                return draw(among)
            holder, way = made, (draw(st.text(max_size=5)),)
            action = "add"
        else:
            holder = made
            for key in way[:-1]:
                holder = holder[key]
        if action == "remove":
            del holder[way[-1]]
        elif action == "add" and isinstance(holder, dict):
            holder[draw(st.text(max_size=8))] = draw(among)
        elif not isinstance(holder, dict | list):
            return draw(among)
        elif isinstance(holder, dict) or isinstance(way[-1], int):
            holder[way[-1]] = draw(among)
    return made


@st.composite
def broken_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes that were cut, or of which some were changed, removed or added."""
    made = bytearray(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(made)))
        action = draw(st.sampled_from(["cut", "change", "insert", "remove"]))
        if action == "cut":
            del made[place:]
        elif action == "change" and place < len(made):
            made[place] = draw(st.integers(0, 255))
        elif action == "insert":
            made[place:place] = draw(st.binary(max_size=8))
        else:
            del made[place : place + draw(st.integers(0, 16))]
    return bytes(made)


def as_json(value: Any) -> str:
    """JSON as Python writes it, with NaN, and integers of any length."""
    try:
        return json.dumps(value)
    except ValueError:
        return "[" + "9" * 5000 + "]"


def toml(document: dict[str, Any]) -> str:
    """TOML of a document whose values may be wrong; what TOML cannot say becomes text."""
    tables = {name: value for name, value in document.items() if isinstance(value, dict)}
    lines = [f"{_key(n)} = {_inline(v)}" for n, v in document.items() if n not in tables]
    for name, table in tables.items():
        lines.append(f"[{_key(name)}]")
        lines += [f"{_key(n)} = {_inline(v)}" for n, v in table.items()]
    return "\n".join(lines) + "\n"


def _key(name: Any) -> str:
    return json.dumps(str(name))


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return hex(value) if value > 10**300 else str(value)
    if isinstance(value, float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(n)} = {_inline(v)}" for n, v in value.items()) + "}"
    return json.dumps("" if value is None else str(value))


def clear(error: Exception) -> None:
    """Assert that an error is one of ours and one line that a person can act on."""
    if not errors.is_known(error):
        raise AssertionError(f"unexpected {type(error).__name__}: {error}") from error
    line = errors.describe(error)
    assert not re.search(r"unexpected \w+:", line), line
    assert "Traceback" not in line, line
    assert line.endswith((".", "?", "`", '"')), line
    assert len(line.split()) > 3, line
    assert len(line) < LONGEST_MESSAGE, line


def survives(call: Callable[[], object]) -> object:
    """What a call answers; None when it refuses with a clear error."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - which ones may come is what is tested
        clear(error)
        return None


def clear_result(result: Any) -> None:
    """Assert that a command ended well, or with one line and the exit code 1 or 2."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"{type(result.exception).__name__} came through") from result.exception
    assert result.exit_code in (0, 1, 2), result.output
    assert "Traceback" not in result.output
    assert not re.search(r"unexpected \w+:", result.stderr), result.stderr
    if result.exit_code == 2:
        lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, result.stderr
        assert len(lines[0]) < LONGEST_MESSAGE, lines[0]
