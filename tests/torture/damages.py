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
from tests.torture.banks import compare, copy_file, copy_folder, read_bank, written_extents
from tests.torture.trials import Trial, rng_of

_BLOCK = 512
_RANDOM_NAMES = re.compile(r"[0-9a-f]{8}-[-0-9a-f]{27}|(?<=/)[0-9a-z]{24}(?=-)")
"""What the engine calls segments and indexes; files are in the same order whatever it draws."""


def torture(world: Path, times: int, seed: int, first: int = 0) -> Iterator[Trial]:
    """So many damages, each to a copy of the bank."""
    sound: dict[str, Any] = commands.in_child(lambda: read_bank(world / "bank"))
    for number in range(first, first + times):
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
    files = [path for path in bank.rglob("*") if path.is_file() and path.stat().st_size]
    files.sort(key=lambda path: _RANDOM_NAMES.sub("", str(path.relative_to(bank))))
    parts = sorted({_part(bank, path) for path in files})
    part = parts[int(rng.integers(len(parts)))]
    chosen = [path for path in files if _part(bank, path) == part]
    written = [path for path in chosen if path.stat().st_blocks]  # most files of the engine are holes
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
    written = _written(path)
    anywhere = rng.random() < 0.2 or not written.size
    place = int(rng.integers(path.stat().st_size)) if anywhere else int(written[rng.integers(len(written))])
    bit = int(rng.integers(8))
    with path.open("r+b") as file:
        file.seek(place)
        (value,) = file.read(1)
        file.seek(place)
        file.write(bytes([value ^ (1 << bit)]))
    return f" at {place}.{bit}"


def _truncate(path: Path, _: list[Path], rng: np.random.Generator) -> str:
    size = int(rng.integers(path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(size)
    return f" to {size}"


def _zeros(path: Path, _: list[Path], rng: np.random.Generator) -> str:
    written = _written(path)
    start = int(written[rng.integers(len(written))]) // _BLOCK * _BLOCK if written.size else 0
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(min(_BLOCK, path.stat().st_size - start)))
    return f" at {start}"


def _lose(path: Path, _: list[Path], __: np.random.Generator) -> str:
    path.unlink()
    return ""


def _swap(path: Path, others: list[Path], rng: np.random.Generator) -> str:
    different = [other for other in others if other != path]
    if not different:
        return _flip(path, others, rng)
    other = different[int(rng.integers(len(different)))]
    kept = path.with_name("swapped")
    path.rename(kept)
    copy_file(other, path)
    copy_file(kept, other)
    kept.unlink()
    return f" with {other.name}"


def _written(path: Path) -> np.ndarray:
    """Places of all bytes that are not zero."""
    found = [np.zeros(0, dtype=np.int64)]
    with path.open("rb") as file:
        for start, stop in written_extents(file.fileno()):
            file.seek(start)
            data = np.frombuffer(file.read(stop - start), dtype=np.uint8)
            found.append(np.flatnonzero(data) + start)
    return np.concatenate(found)


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
