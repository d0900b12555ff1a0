"""Real TrueType fonts of a few letters, each a box of its own width, written by hand."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

UNITS = 1000


def write_font(path: Path, name: str, letters: str) -> Path:
    """A font that has shapes for these letters and for no other; what it lacks is a small box."""
    shapes = [_box(300, 300), *(_box(400 + 40 * index, 700) for index in range(len(letters)))]
    offsets = [sum(map(len, shapes[:index])) for index in range(len(shapes) + 1)]
    widths = [600, *(500 + 40 * index for index in range(len(letters)))]
    count = len(shapes)
    tables = {
        b"cmap": _cmap(letters),
        b"glyf": b"".join(shapes),
        b"head": _head(),
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 1 << 16, 800, -200, 0, UNITS, *[0] * 11, count),
        b"hmtx": b"".join(struct.pack(">Hh", width, 0) for width in widths),
        b"loca": struct.pack(f">{count + 1}I", *offsets),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 1 << 16, count, 4, 1, 0, 0, 1, *[0] * 8),
        b"name": _name(name),
    }
    path.write_bytes(_file(tables))
    return path


def _head() -> bytes:
    sums_and_flags = struct.pack(">IIIIHH", 1 << 16, 1 << 16, 0, 0x5F0F3CF5, 3, UNITS)
    times_box_and_style = struct.pack(">QQhhhhHH", 0, 0, 0, 0, UNITS, UNITS, 0, 8)
    return sums_and_flags + times_box_and_style + struct.pack(">hhh", 2, 1, 0)


def _box(width: int, height: int) -> bytes:
    """A rectangle upon the line: one contour of four points on the curve."""
    head = struct.pack(">hhhhh", 1, 0, 0, width, height) + struct.pack(">HH", 3, 0)
    across, up = struct.pack(">hhhh", 0, width, 0, -width), struct.pack(">hhhh", 0, 0, height, 0)
    return (head + bytes([1] * 4) + across + up).ljust(32, b"\0")


def _cmap(letters: str) -> bytes:
    """From letters to shapes: one segment a letter, and the closing one."""
    pairs = sorted((ord(letter), index + 1) for index, letter in enumerate(letters))
    codes = [code for code, _ in pairs] + [0xFFFF]
    steps = [(shape - code) % 0x10000 for code, shape in pairs] + [1]
    count = len(codes)
    body = struct.pack(f">HHHH{count}HH", count * 2, 0, 0, 0, *codes, 0)
    body += struct.pack(f">{count}H{count}H{count}H", *codes, *steps, *[0] * count)
    table = struct.pack(">HHH", 4, len(body) + 6, 0) + body
    return struct.pack(">HHHHI", 0, 1, 3, 1, 12) + table


def _name(name: str) -> bytes:
    words = [(1, name), (2, "Regular")]
    texts = [word.encode("utf-16-be") for _, word in words]
    records = b"".join(
        struct.pack(">HHHHHH", 3, 1, 0x409, number, len(texts[index]), sum(map(len, texts[:index])))
        for index, (number, _) in enumerate(words)
    )
    return struct.pack(">HHH", 0, len(words), 6 + len(records)) + records + b"".join(texts)


def _file(tables: Mapping[bytes, bytes]) -> bytes:
    offset = 12 + 16 * len(tables)
    head, body = struct.pack(">IHHHH", 1 << 16, len(tables), 0, 0, 0), b""
    for tag, table in sorted(tables.items()):
        head += tag + struct.pack(">III", 0, offset + len(body), len(table))
        body += table.ljust(-(-len(table) // 4) * 4, b"\0")
    return head + body
