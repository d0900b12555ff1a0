"""Kills every command that writes, at random moments, and runs it again.

After each kill a reader must see the bank as it was before, or as it is after the command; run again,
the command must end with the bank and the files of a run that nobody disturbed.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import commands
from tests.torture.banks import CAPTIONS, MORE, compare, copy_folder, read_bank
from tests.torture.damages import damage_index
from tests.torture.trials import Trial, rng_of


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
        arguments: of ``freeda``.
        bank: the bank that it writes, or reads.
        outputs: files and folders that it makes, beside the bank.
        prepare: what is done to the folder before.
    """

    arguments: Sequence[str]
    bank: str = "bank"
    outputs: Sequence[str] = ()
    prepare: Callable[[Path], None] | None = None


@dataclass
class Expected:
    """The bank before and after a command, and what it took to run."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outputs: dict[str, str]
    seconds: float
    faults: list[str] = field(default_factory=list)


_WITH = ("--bank", "bank")
SCENARIOS = {
    "ingest": Scenario(["ingest", MORE, *_WITH, "--batch-size", "4"]),
    "ingest a new bank": Scenario(
        ["ingest", CAPTIONS, "--bank", "new", "--preset", "tiny", "--limit", "12", "--batch-size", "4"], "new"
    ),
    "learn": Scenario(["learn", "pictures", "--whole", "--as", "car", *_WITH, "--by", "torture"]),
    "bank new": Scenario(["bank", "new", "new", "--preset", "tiny"], "new"),
    "bank complete": Scenario(["bank", "complete", *_WITH]),
    "bank add": Scenario(["bank", "add", "duck", "--images", "6", *_WITH]),
    "prune": Scenario(["bank", "prune", "--where", "noun=car", *_WITH]),
    "rollback": Scenario(["bank", "rollback", "2", *_WITH]),
    "tag": Scenario(["bank", "tag", "v9", *_WITH]),
    "verify --repair": Scenario(["bank", "verify", "--repair", *_WITH], prepare=damage_index),
    "export": Scenario(["bank", "export", "out.zip", *_WITH], outputs=["out.zip"]),
    "import": Scenario(["bank", "import", "given.zip", "--bank", "new"], "new"),
    "push": Scenario(["bank", "push", "new", *_WITH], "new"),
    "export-table": Scenario(["bank", "export-table", "t.parquet", *_WITH], outputs=["t.parquet"]),
    "show": Scenario(["bank", "show", "car", "--out", "car.png", *_WITH], outputs=["car.png"]),
    "segment": Scenario(
        ["segment", "pictures", "-c", "car,tree,sky", *_WITH, "--out", "out"], outputs=["out"]
    ),
    "explain": Scenario(
        ["explain", "pictures/p0.png", "-c", "car,tree", "--out", "e.html", *_WITH], outputs=["e.html"]
    ),
}


def torture(world: Path, times: int, seed: int, first: int = 0) -> Iterator[Trial]:
    """So many kills, spread over the scenarios; one trial kills one command once or twice."""
    names = list(SCENARIOS)
    known: dict[str, Expected] = {}
    kills, number = 0, first
    while kills < times:
        name = names[number % len(names)]
        if name not in known:
            known[name] = _undisturbed(world, SCENARIOS[name])
        trial = Trial("kills", number, name, list(known[name].faults))
        rng = rng_of("kills", seed, number)
        count = min(int(rng.integers(1, 3)), times - kills)
        _kill(world, SCENARIOS[name], known[name], count, rng, trial)
        kills, number = kills + count, number + 1
        yield trial


def _undisturbed(world: Path, scenario: Scenario) -> Expected:
    with tempfile.TemporaryDirectory() as name:
        place = _place(world, Path(name), scenario)
        before = read_if_any(place / scenario.bank) if scenario.prepare is None else None
        outcome = commands.run(scenario.arguments, place)
        expected = Expected(
            before, read_if_any(place / scenario.bank), _files(place, scenario), outcome.seconds
        )
        if scenario.prepare is None:
            expected.faults += [f"undisturbed: {fault}" for fault in outcome.faults((0,))]
        return expected


def _kill(
    world: Path, scenario: Scenario, expected: Expected, count: int, rng: np.random.Generator, trial: Trial
) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = _place(world, Path(name), scenario)
        for _ in range(count):
            moment = rng.uniform(0, expected.seconds * 1.1)
            killed = commands.run(scenario.arguments, place, kill_after=moment)
            trial.story += f", killed after {moment:.3f} s"
            if killed.code != -9:
                trial.result = trial.result or "ended before the kill"
            elif scenario.prepare is None:
                trial.faults += _between(place / scenario.bank, expected)
        trial.result = trial.result or "resumed"
        again = commands.run(scenario.arguments, place)
        trial.seconds, trial.memory = again.seconds, again.memory
        finished_before = trial.result == "ended before the kill" and again.is_made
        trial.faults += [f"run again: {fault}" for fault in again.faults((2,) if finished_before else (0,))]
        trial.faults += _ended(place, scenario, expected)


def _between(bank: Path, expected: Expected) -> list[str]:
    """What a reader sees after a kill is one of two banks, or no bank yet."""
    seen = read_if_any(bank)
    if seen is None:
        return [] if expected.before is None else ["after the kill: the bank is gone"]
    states = [state for state in (expected.before, expected.after) if state is not None]
    if expected.before is None and not seen["revisions"]:
        return []
    # what commands add revision by revision may be seen revision by revision
    for state in states:
        some = {"revisions": seen["revisions"], "views": {n: state["views"].get(n) for n in seen["views"]}}
        if None not in some["views"].values() and not compare(seen, some):
            return []
    return ["after the kill: " + fault for fault in compare(seen, states[0])]


def _ended(place: Path, scenario: Scenario, expected: Expected) -> list[str]:
    """What is not as a run ends that nobody disturbs."""
    found, faults = read_if_any(place / scenario.bank), []
    if expected.after is not None:
        faults += ["the bank is gone"] if found is None else compare(found, expected.after)
    checked = commands.run(["bank", "verify", "--bank", scenario.bank], place)
    if checked.code:
        faults.append(f"verify: {checked.output.strip()[-300:]} {checked.errors.strip()[-300:]}")
    files = _files(place, scenario)
    if files != expected.outputs:
        faults.append(f"outputs differ: {sorted(set(files.items()) ^ set(expected.outputs.items()))[:4]}")
    ours = (path for path in place.rglob("*") if "vectors" not in path.parts)  # the engine keeps its own
    stray = [path.name for path in ours if ".partial" in path.name or path.suffix in (".tmp", ".part")]
    if stray:
        faults.append(f"left over: {stray[:3]}")
    return faults


def _place(world: Path, folder: Path, scenario: Scenario) -> Path:
    place = folder / "work"
    copy_folder(world, place)
    if scenario.prepare is not None:
        scenario.prepare(place)
    return place


def read_if_any(bank: Path) -> dict[str, Any] | None:
    if not (bank / "bank.sqlite").is_file():
        return None
    found: dict[str, Any] = commands.in_child(lambda: read_bank(bank))
    return found


def _files(place: Path, scenario: Scenario) -> dict[str, str]:
    """Names of the files made; with their content where it tells no time."""
    made: dict[str, str] = {}
    for output in scenario.outputs:
        top = place / output
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                exact = path.suffix == ".png"
                digest = hashlib.sha256(path.read_bytes()).hexdigest() if exact else ""
                made[str(path.relative_to(place))] = digest
    return made
