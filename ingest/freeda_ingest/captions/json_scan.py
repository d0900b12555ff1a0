"""Walks the arrays of one huge JSON document without holding more than one element of them.

Elements come out as raw bytes, so that a broken one is one bad record and the rest is still read;
depth is a number here, so that no nesting can exhaust the stack or the memory.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(rb'"(?P<body>(?:[^"\\]++|\\.)*+)(?P<close>")?|[\[\]{},]', re.DOTALL)
_STRING_REST = re.compile(rb'(?P<body>(?:[^"\\]++|\\.)*+)(?P<close>")?', re.DOTALL)
_NAMES = re.compile(rb"\s*:")
_LONGEST_KEY = 64
_MOST_NAMES = 100


@dataclass(frozen=True)
class Element:
    """One element of a top-level array.

    Attributes:
        array: the array's name, ``""`` for one that is the document itself.
        position: place in the array, from 1.
        raw: its bytes, cut at the scanner's limit.
        size: its full length in bytes.
    """

    array: str
    position: int
    raw: bytes
    size: int


class UnfinishedJsonError(ValueError):
    """The bytes end before the document does; raised after the last element was given."""


def scan_elements(
    chunks: Iterable[bytes],
    wanted: Collection[str] | None,
    limit: int,
    names: dict[str, None] | None = None,
) -> Iterator[Element]:
    """Elements of the arrays named in ``wanted``, which lie directly in the outermost object, or which are
    the document (``""``); of all of them with None.

    Args:
        chunks: the document's bytes.
        wanted: names of arrays.
        limit: bytes that are kept of one element.
        names: takes the names in the outermost object, the first hundred.

    Raises:
        UnfinishedJsonError: after everything found was given.
    """
    scanner = _Scanner(None if wanted is None else frozenset(wanted), limit, names)
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        # A lone backslash says nothing yet about the byte after it.
        slashes = len(data) - len(data.rstrip(b"\\"))
        cut = len(data) - slashes % 2
        rest = data[cut:]
        yield from scanner.feed(data[:cut])
        if scanner.ended:
            return
    yield from scanner.finish()


class _Scanner:
    """The state between two chunks: depth, whether inside a string, and the element under way."""

    def __init__(self, wanted: frozenset[str] | None, limit: int, names: dict[str, None] | None) -> None:
        self._wanted = wanted
        self._names = names
        self._limit = limit
        self._depth = 0
        self._in_string = False
        self._key = b""
        self._array: str | None = None
        self._level = 2  # the depth inside the array under way
        self._position = 0
        self._collected = bytearray()
        self._size = 0
        self.ended = False

    def feed(self, data: bytes) -> Iterator[Element]:
        start = self._finish_string(data) if self._in_string else 0
        kept_from = 0
        for token in _TOKEN.finditer(data, start):
            mark = data[token.start()]
            if mark == 0x22:  # a quote
                self._see_string(token)
                continue
            if self._array is not None and self._depth == self._level and mark in b",]":
                self._collect(data[kept_from : token.start()])
                yield from self._flush(last=mark == 0x5D)
                kept_from = token.end()
            opened = self._array is None
            self._see_bracket(mark)
            if opened and self._array is not None:
                kept_from = token.end()
            if self.ended:
                return
        if self._array is not None:
            self._collect(data[kept_from:])

    def finish(self) -> Iterator[Element]:
        if self._array is not None:
            yield from self._flush(last=True)
        raise UnfinishedJsonError("the file ends before its JSON document does")

    def _finish_string(self, data: bytes) -> int:
        token = _STRING_REST.match(data)
        assert token is not None  # the pattern matches the empty string
        self._see_string(token)
        return token.end()

    def _see_string(self, token: re.Match[bytes]) -> None:
        body = token["body"]
        continued = self._in_string
        self._in_string = token["close"] is None
        if self._depth == 1:
            self._key = (self._key + body if continued else body)[:_LONGEST_KEY]
            self._note_name(token)

    def _note_name(self, token: re.Match[bytes]) -> None:
        if (
            self._names is not None
            and len(self._names) < _MOST_NAMES
            and _NAMES.match(token.string, token.end())
        ):
            self._names.setdefault(self._key.decode("utf-8", errors="replace"))

    def _see_bracket(self, mark: int) -> None:
        if mark in b"[{":
            self._depth += 1
            if mark == 0x5B and self._array is None and self._depth <= 2:
                self._open_array(self._key.decode("utf-8", errors="replace") if self._depth == 2 else "")
        elif mark in b"]}":
            self._depth -= 1
            if self._depth < self._level:
                self._array = None
            self.ended = self._depth <= 0

    def _open_array(self, name: str) -> None:
        if self._wanted is None or name in self._wanted:
            self._array, self._position, self._level = name, 0, self._depth
        elif self._depth == 1:
            self._wanted = frozenset()  # what lies in an array has no names

    def _collect(self, piece: bytes) -> None:
        self._size += len(piece)
        room = self._limit - len(self._collected)
        if room > 0:
            self._collected += piece[:room]

    def _flush(self, *, last: bool) -> Iterator[Element]:
        raw, size = bytes(self._collected).strip(), self._size
        self._collected.clear()
        self._size = 0
        if last and not raw and self._position == 0 and size <= self._limit:
            return  # an empty array
        self._position += 1
        assert self._array is not None
        yield Element(self._array, self._position, raw, size)
