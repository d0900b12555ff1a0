"""The studio under load: ``python -m benchmarks.studio_load [--seconds 60]``.

Eight clients label pictures, ask why and look at them, as fast as they are answered. Then one client sends
forty requests at once while another asks one after the other. Prints errors, what each client got, waiting
times, and what the server has in memory.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.studio import variations
from benchmarks.studio_server import Served, served

CLIENTS = 8
PICTURES = 24
GREEDY = 40
LISTS = (("red car", "tree", "grass", "sky"), ("boat", "water", "sky"), ("cat", "mushroom", "grass", "snow"))
MIX = ("segment", "explain", "view", "segment", "explain")


@dataclass
class Got:
    """What a client got: seconds of each answer by what was asked, and errors."""

    times: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in MIX})
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def answers(self) -> int:
        """How many were answered."""
        return sum(map(len, self.times.values()))


def ask(program: httpx.Client, kind: str, picture: str, chance: random.Random) -> httpx.Response:
    """One request."""
    address = f"/api/v1/pictures/{picture}"
    asked: dict[str, object] = {"classes": chance.choice(LISTS)}
    if kind == "view":
        return program.get(f"{address}/view?side={chance.choice((240, 1600))}")
    if kind == "segment":
        return program.post(f"{address}/segmentation", json=asked)
    place = {"x": chance.randrange(400), "y": chance.randrange(400)}
    return program.post(f"{address}/explanation", json=asked | place)


def client(server: Served, number: int, pictures: Sequence[str], until: float) -> Got:
    """Ask until a time comes, kind after kind, of pictures and classes by chance."""
    chance, got, kinds = random.Random(number), Got(), itertools.cycle(MIX)
    with server.program(f"client {number}") as program:
        while time.monotonic() < until:
            kind = next(kinds)
            start = time.monotonic()
            try:
                ask(program, kind, chance.choice(pictures), chance).raise_for_status()
            except httpx.HTTPError as error:
                got.errors[f"{type(error).__name__}: {error}"] += 1
            else:
                got.times[kind].append(time.monotonic() - start)
    return got


def watch(server: Served, done: threading.Event, every: float) -> list[float]:
    """What the server has in memory, from time to time."""
    seen = []
    while not done.wait(every):
        seen.append(server.resident_mb)
    return seen


def modest(server: Served, pictures: Sequence[str], times: int) -> list[float]:
    """Seconds that one client waits for each of several explanations, one after the other."""
    chance, waited = random.Random(0), []
    with server.program("modest") as program:
        for _ in range(times):
            start = time.monotonic()
            ask(program, "explain", pictures[0], chance).raise_for_status()
            waited.append(time.monotonic() - start)
    return waited


def beside_a_greedy_one(server: Served, pictures: Sequence[str]) -> tuple[list[float], float]:
    """Waiting times of a client beside one that sends forty requests at once, and what those took."""
    with server.program("greedy") as program, ThreadPoolExecutor(GREEDY) as pool:
        start = time.monotonic()
        asked = [
            pool.submit(
                program.post,
                f"/api/v1/pictures/{pictures[number % len(pictures)]}/segmentation",
                json={"classes": ["tree", f"thing {number}"]},
            )
            for number in range(GREEDY)
        ]
        time.sleep(0.1)
        waited = modest(server, pictures, 10)
        for each in asked:
            each.result().raise_for_status()
        return waited, time.monotonic() - start


def told(times: Sequence[float]) -> str:
    """Median and 95th percentile, of seconds."""
    high = statistics.quantiles(times, n=20)[-1]
    return f"median {1000 * statistics.median(times):.0f} ms, 95th percentile {1000 * high:.0f} ms"


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as place:
        for number, content in enumerate(variations(PICTURES)):
            (Path(place) / f"{number}.png").write_bytes(content)
        with served(place, "--memory", 256) as server, ThreadPoolExecutor(CLIENTS + 1) as pool:
            with server.program() as program:
                pictures = [each["id"] for each in program.get("/api/v1/pictures").json()]
            done = threading.Event()
            memory = pool.submit(watch, server, done, seconds / 12)
            until = time.monotonic() + seconds
            asking = [pool.submit(client, server, number, pictures, until) for number in range(CLIENTS)]
            got = [each.result() for each in asking]
            done.set()
            answers = [each.answers for each in got]
            errors = dict(sum((each.errors for each in got), Counter[str]()))
            print(
                f"{CLIENTS} clients for {seconds:g} s: {sum(answers)} answers, "
                f"{sum(answers) / seconds:.0f} a second; errors: {errors or 'none'}"
            )
            mean = statistics.mean(answers)
            print(
                f"answers of each client: {min(answers)} to {max(answers)}, "
                f"{(max(answers) - min(answers)) / mean:.1%} of the mean apart"
            )
            for kind in dict.fromkeys(MIX):
                print(f"  {kind}: {told([each for one in got for each in one.times[kind]])}")
            print("resident, MB: " + ", ".join(f"{each:.0f}" for each in memory.result()))
            print(f"one client alone: {told(modest(server, pictures, 10))}")
            waited, took = beside_a_greedy_one(server, pictures)
            print(f"beside one that sends {GREEDY} at once, answered in {took:.1f} s: {told(waited)}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
