"""Damages every file of a bank: flipped bits, truncations, blocks of zeros, swapped and lost files.

A reader must get the answers of the sound bank or an error that names the file; where it gets other
answers, ``verify`` must say that the bank is not sound. ``verify --repair`` must then lose nothing that
was whole, and say what it lost.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import commands
from tests.torture.banks import compare, copy_folder, read_bank
from tests.torture.trials import Trial, rng_of

_BLOCK = 512


def torture(world: Path, times: int, seed: int) -> Iterator[Trial]:
    """So many damages, each to a copy of the bank."""
    sound: dict[str, Any] = commands.in_child(lambda: read_bank(world / "bank"))
    for number in range(times):
        trial = Trial("damages", number)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            copy_folder(world / "bank", folder / "bank")
            trial.story = _damage(folder / "bank", rng_of("damages", seed, number))
            _judge(folder, sound, trial)
        yield trial


def _judge(folder: Path, sound: dict[str, Any], trial: Trial) -> None:
    told, wrong = _use(folder / "bank", sound)
    trial.faults += told
    verified = commands.run(["bank", "verify", "--bank", "bank"], folder)
    trial.faults += [f"verify: {fault}" for fault in verified.faults((0, 1, 2))]
    if verified.code == 0:
        trial.result = "no effect" if not wrong else "silent"
        if wrong:
            trial.faults.append(f"silently wrong, and verify calls it sound: {wrong[:2]}")
        return
    trial.result = "noticed"
    repaired = commands.run(["bank", "verify", "--repair", "--bank", "bank"], folder)
    trial.seconds, trial.memory = repaired.seconds, max(verified.memory, repaired.memory)
    trial.faults += [f"repair: {fault}" for fault in repaired.faults((0, 1, 2))]
    again = commands.run(["bank", "verify", "--bank", "bank"], folder)
    trial.faults += [f"verify after repair: {fault}" for fault in again.faults((0, 1, 2))]
    if again.code:
        trial.result = "not repaired"
        if repaired.code == 0:
            trial.faults.append(f"repair says that all is well, verify does not: {again.output[-200:]}")
        return
    left = _use(folder / "bank", sound)[1]
    trial.result = "repaired" if not left else "repaired with losses"
    said = repaired.output + repaired.errors
    if left and repaired.code == 0 and not re.search(r"lost|gone|gave up|given up|anew|restore", said):
        trial.faults.append(f"repair lost without a word: {left[:2]}; it said {said.strip()[-200:]}")


def _use(bank: Path, sound: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Faults of a reader, and in what its answers differ from the sound bank's."""

    def ask() -> list[Any]:
        from freeda_store.errors import BankError

        try:
            return ["answers", read_bank(bank)]
        except BankError as error:
            return ["refused", str(error)]

    try:
        kind, answer = commands.in_child(ask)
    except RuntimeError as error:
        return [f"reading: {error}"], []
    if kind == "refused":
        return ([f"reading: an error of several lines: {answer}"] if "\n" in answer else []), ["refused"]
    return [], compare(answer, sound)


def _damage(bank: Path, rng: np.random.Generator) -> str:
    """Damage one file; every part of the bank gets its share, however many files it has."""
    files = sorted(path for path in bank.rglob("*") if path.is_file() and path.stat().st_size)
    parts = sorted({_part(bank, path) for path in files})
    part = parts[int(rng.integers(len(parts)))]
    chosen = [path for path in files if _part(bank, path) == part]
    written = [path for path in chosen if any(path.read_bytes())]  # most files of the engine are holes
    if written and rng.random() < 0.8:
        chosen = written
    path = chosen[int(rng.integers(len(chosen)))]
    name, how = list(_WAYS.items())[int(rng.integers(len(_WAYS)))]
    return f"{path.relative_to(bank)}: {name}{how(path, chosen, rng)}"


def _part(bank: Path, path: Path) -> str:
    """The part of a bank that a file belongs to: the database, thumbnails, a storage, the indexes, ..."""
    parts = path.relative_to(bank).parts
    inside_a_segment = parts[:2] == ("vectors", "segments") and len(parts) > 3
    return parts[3] if inside_a_segment else "/".join(parts[:2]) if parts[0] == "vectors" else parts[0]


def _flip(path: Path, _: list[Path], rng: np.random.Generator) -> str:
    data = bytearray(path.read_bytes())
    written = np.flatnonzero(np.frombuffer(bytes(data), dtype=np.uint8))
    near = written if written.size and rng.random() < 0.8 else np.arange(len(data))
    place, bit = int(near[int(rng.integers(len(near)))]), int(rng.integers(8))
    data[place] ^= 1 << bit
    _write(path, bytes(data))
    return f" at {place}.{bit}"


def _truncate(path: Path, _: list[Path], rng: np.random.Generator) -> str:
    size = int(rng.integers(path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(size)
    return f" to {size}"


def _zeros(path: Path, _: list[Path], rng: np.random.Generator) -> str:
    data = bytearray(path.read_bytes())
    written = np.flatnonzero(np.frombuffer(bytes(data), dtype=np.uint8))
    start = int(written[int(rng.integers(len(written)))]) // _BLOCK * _BLOCK if written.size else 0
    data[start : start + _BLOCK] = bytes(len(data[start : start + _BLOCK]))
    _write(path, bytes(data))
    return f" at {start}"


def _lose(path: Path, _: list[Path], __: np.random.Generator) -> str:
    path.unlink()
    return ""


def _swap(path: Path, others: list[Path], rng: np.random.Generator) -> str:
    other = others[int(rng.integers(len(others)))]
    one, two = path.read_bytes(), other.read_bytes()
    _write(path, two)
    _write(other, one)
    return f" with {other.name}"


def _write(path: Path, data: bytes) -> None:
    """Write in place, with holes where there are only zeros."""
    with path.open("r+b") as file:
        for start in range(0, len(data), 65536):
            block = data[start : start + 65536]
            file.seek(start)
            if file.read(len(block)) != block:
                file.seek(start)
                file.write(block)
        file.truncate(len(data))


_WAYS: dict[str, Callable[[Path, list[Path], np.random.Generator], str]] = {
    "a bit flipped": _flip,
    "another bit flipped": _flip,
    "truncated": _truncate,
    "a block of zeros": _zeros,
    "lost": _lose,
    "swapped": _swap,
}


def damage_index(place: Path) -> None:
    """Damage the vectors' payload index of a world's bank, which a repair can make anew."""
    files = sorted((place / "bank" / "vectors").rglob("payload_index/**/*"))
    largest = max((path for path in files if path.is_file()), key=lambda path: path.stat().st_size)
    _zeros(largest, [], np.random.default_rng(1))
