"""Gives commands what no one should: broken files, wild numbers, names that are no text.

Every command must end by itself, in bounded memory, with one line that says what is wrong, and must
leave every file that was there as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.torture import commands
from tests.torture.banks import copy_folder
from tests.torture.trials import Trial, rng_of

_NUMBERS = (
    "0",
    "-1",
    "1",
    "7",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1_0",
    "0x10",
    "٣",
    "",
    " ",
    "1.5",
    "999999999999",
    "9223372036854775808",
    "18446744073709551616",
    "1" * 400,
    "-9223372036854775809",
    "1e-320",
    "auto",
)
_TEXTS = (
    "car",
    "",
    " ",
    ",",
    "|",
    "car|",
    "|car",
    "car,car",
    "# note",
    "car # note",
    "\x00",
    "\udcff",
    "a\udcffb",
    "\n",
    "\x1b[31m",
    "<script>alert(1)</script>",
    "{}",
    "%s%n",
    "🚗",
    "\u202e",
    "a" * 10_000,
    "=".join("ab" * 50),
    "none",
    "..",
    "~nobody/x",
    "../../etc",
    "/",
    "-",
    "--",
    "v1",
    "99999999999999999999",
    "noun=car",
    "noun!=",
    "area>=nan",
    "area>=1e999",
    "seed=99999999999999999999",
    "seed=-1",
    "x=1",
    "noun=" + "|".join(map(str, range(3000))),
    "contrast>>1",
    "source=\udcff",
    "bank@",
    "bank@@",
    "bank@99999999999999999999",
    "bank@v1",
    "bank@-1",
    "bank@0",
    "@",
    "bank/",
    "./bank",
    "none@1",
    "s3://x/y",
    "http://127.0.0.1:1/x",
    "scale=nan",
    "scale=1e400",
    "scale=-5",
)
_COMMANDS: dict[str, tuple[Sequence[str], Sequence[tuple[str, str]]]] = {
    # a command, and its positional arguments: their kinds, and a good one
    "ingest": (["ingest"], [("path", "captions.jsonl")]),
    "segment": (["segment"], [("path", "pictures/p0.png")]),
    "explain": (["explain"], [("path", "pictures/p0.png")]),
    "evaluate": (["evaluate"], [("dataset", "voc20")]),
    "stats": (["bank", "stats"], []),
    "list": (["bank", "list"], []),
    "log": (["bank", "log"], []),
    "diff": (["bank", "diff"], [("text", "1"), ("text", "v1")]),
    "search": (["bank", "search"], [("text", "car")]),
    "show": (["bank", "show"], [("text", "car")]),
    "tag": (["bank", "tag"], [("text", "fresh")]),
    "rollback": (["bank", "rollback"], [("text", "1")]),
    "prune": (["bank", "prune"], []),
    "verify": (["bank", "verify"], []),
    "export": (["bank", "export"], [("path", "made.zip")]),
    "import": (["bank", "import"], [("path", "given.zip")]),
    "export-table": (["bank", "export-table"], [("path", "made.csv")]),
    "push": (["bank", "push"], [("path", "copy")]),
    "pull": (["bank", "pull"], [("path", "bank")]),
    "add": (["bank", "add"], [("text", "duck")]),
    "learn": (["learn", "--as", "car"], [("path", "pictures/p0.png")]),
    "learn labels": (["learn", "--labels", "nasty"], [("path", "pictures")]),
    "new": (["bank", "new"], [("path", "made-bank")]),
    "complete": (["bank", "complete"], []),
    "import-freeda": (["bank", "import-freeda"], [("path", "pictures"), ("path", "knn.index")]),
    "models check": (["models", "check"], [("path", "tiny")]),
    "models show": (["models", "show"], [("path", "tiny")]),
}
_OPTIONS: dict[str, str] = {
    "--bank": "address",
    "--preset": "path",
    "--limit": "number",
    "--batch-size": "number",
    "--seed": "number",
    "--message": "text",
    "--classes": "text",
    "--classes-file": "path",
    "--out": "path",
    "--format": "text",
    "--opacity": "number",
    "--label-offset": "number",
    "--min-area": "number",
    "--background": "text",
    "--background-threshold": "number",
    "-k": "number",
    "--similarity-threshold": "number",
    "--aggregation": "text",
    "--prototypes": "number",
    "--neighbours": "number",
    "--templates": "text",
    "--alpha": "number",
    "--superpixels": "text",
    "--superpixel-option": "text",
    "--where": "text",
    "--device": "text",
    "--at": "text",
    "--not-at": "text",
    "--box": "text",
    "--mask": "path",
    "--labels": "path",
    "--check": "path",
    "--by": "text",
    "--license": "text",
    "--url": "text",
    "--retire": "text",
    "--root": "path",
    "--names": "path",
    "--processes": "number",
    "--method": "text",
    "--images": "number",
    "--devices": "text",
    "--workers": "number",
}
_DATASETS = ("tiny", "voc20", "ade20k", "cityscapes", "coco-stuff", "nothing")
_HEAVY = {("--processes", "999999999999"), ("--prototypes", "999999999999")}


def torture(world: Path, times: int, seed: int, first: int = 0) -> Iterator[Trial]:
    """So many command lines, each in a folder of nasty files."""
    with tempfile.TemporaryDirectory() as name:
        place = make_nasty_files(copy_folder(world, Path(name) / "work"))
        known = _options_of_commands()
        original = _state(place)
        for number in range(first, first + times):
            rng = rng_of("inputs", seed, number)
            command = list(_COMMANDS)[int(rng.integers(len(_COMMANDS)))]
            arguments = _line(command, known, _paths(place), rng)
            trial = Trial("inputs", number, " ".join(map(_shown, arguments)))
            outcome = commands.run(arguments, place)
            trial.seconds, trial.memory = outcome.seconds, outcome.memory
            trial.faults += outcome.faults()
            trial.result = f"exit {outcome.code}"
            if outcome.code in (1, 2) and len(outcome.errors.strip().splitlines()) > 25:
                trial.faults.append(f"says too much: {len(outcome.errors.splitlines())} lines")
            after = _state(place)
            changed = [path for path, digest in original.items() if after.get(path) != digest]
            if changed:
                trial.faults.append(f"changed or removed {changed[:3]}")
            if changed or len(after) > len(original) + 40:
                place = make_nasty_files(copy_folder(world, Path(name) / f"work-{number}"))
                original = _state(place)
            yield trial


def _line(
    command: str, known: dict[str, set[str]], paths: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """A command line that is right but for one or two values, so that it gets past the first look."""
    start, positional = _COMMANDS[command]
    able = sorted(option for option in _OPTIONS if option in known[command])
    given: dict[str, str] = {"--bank": "bank"} if "--bank" in able else {}
    if "--classes" in able:
        given["--classes"] = "car,tree"
    if command in ("ingest", "evaluate"):
        given["--limit"] = "4"
    if command == "add":
        given["--images"] = "2"
    if command == "learn":
        given["--at"] = "5,5"
    values = [good for _, good in positional]
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(len(values) + 2 * len(able)))
        if place < len(values):
            values[place] = _value(positional[place][0], paths, rng)
        elif able:
            option = able[place % len(able)]
            given[option] = _value(_OPTIONS[option], paths, rng)
    options = [part for pair in given.items() if pair not in _HEAVY for part in pair]
    line = [*start, *values, *options]
    return [argument.replace("\x00", "\x01") for argument in line]  # no system passes on a zero


def _value(kind: str, paths: Sequence[str], rng: np.random.Generator) -> str:
    def pick(values: Sequence[str]) -> str:
        return values[int(rng.integers(len(values)))]

    if kind == "dataset":
        return pick(_DATASETS)
    if kind == "number":
        return pick(_NUMBERS)
    if kind == "address":
        return pick([*_TEXTS, *paths])
    if kind == "path":
        return pick([*paths, *paths, *paths, *_TEXTS])
    return pick([*_TEXTS, *_TEXTS, *_NUMBERS, *paths])


def _options_of_commands() -> dict[str, set[str]]:
    """The options that each command has, as the application itself tells them."""
    import typer.main

    from freeda_cli.main import app

    top: Any = typer.main.get_command(app)
    found = {}
    for name, (start, _) in _COMMANDS.items():
        command = top
        for word in start:
            command = getattr(command, "commands", {}).get(word, command)  # what follows is the command's own
        found[name] = {option for parameter in command.params for option in parameter.opts}
    return found


def make_nasty_files(place: Path) -> Path:
    """Put every kind of file into a folder that a command might be pointed at."""
    folder = place / "nasty"
    folder.mkdir()
    picture = (place / "pictures" / "p0.png").read_bytes()
    archive = (place / "given.zip").read_bytes()
    contents: dict[str, bytes] = {
        "empty.png": b"",
        "short.png": picture[: len(picture) // 2],
        "text.png": b"this is no picture",
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n",
        "eps.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n",
        "short.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01",
        "short.zip": archive[: len(archive) // 3],
        "text.zip": b"no archive",
        "empty.jsonl": b"",
        "blank.jsonl": b"\n" * 200_000,
        "binary.jsonl": bytes(range(256)) * 40,
        "deep.jsonl": b'{"caption": ' + b"[" * 20_000 + b"]" * 20_000 + b"}\n",
        "wild.jsonl": b'{"caption": "a car", "id": NaN}\n{"caption": 5}\n[]\nnull\n'
        b'{"caption": "a \\ud800 car"}\n',
        "huge.jsonl": b'{"caption": "' + b"a car " * 200_000 + b'"}\n',
        "numbers.jsonl": b'{"caption": "a car", "id": ' + b"9" * 5000 + b"}\n",
        "bom.txt": b"\xef\xbb\xbfcar\r\ntree # note\r\n",
        "latin.txt": "ﬁ\n".encode() + b"\xe9t\xe9\n",
        "many.txt": b"".join(b"class %d\n" % number for number in range(20_000)),
        "long.txt": b"a" * 10_000_000 + b"\n",
        "deep.toml": b"a = " + b"[" * 5000 + b"]" * 5000 + b"\n",
        "wrong.toml": b'name = 5\nclip = "x"\n',
        "binary.toml": bytes(range(256)),
        "coco.json": b'{"images": [{"id": NaN}], "annotations": [{"image_id": "x", "caption": 5}]}',
        "\udcff.png": picture,
        "a\nb.png": picture,
        "photo.png": picture,
    }
    contents["preset.toml"] = _broken_preset()
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    os.mkfifo(folder / "fifo.png")
    os.mkfifo(folder / "fifo.jsonl")
    (folder / "loop").symlink_to("loop")
    (folder / "around").symlink_to(".", target_is_directory=True)
    (folder / "gone.png").symlink_to("nowhere.png")
    (folder / "dev.png").symlink_to("/dev/zero")
    (folder / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(folder)
        server.bind("socket.png")
        os.chdir(here)
    return place


def _broken_preset() -> bytes:
    from freeda_models.presets import __file__ as module

    text = (Path(module).parent / "presets" / "tiny.toml").read_text(encoding="utf-8")
    return text.replace("batch_size = 8", "batch_size = 0").replace("k = 100", "k = 1e400").encode()


def _paths(place: Path) -> list[str]:
    """What a command may be pointed at, relative to the folder it runs in."""
    found = [f"nasty/{path.name}" for path in sorted((place / "nasty").iterdir())]
    found += [
        "nasty",
        "nasty/**/*.png",
        "nasty/around/around/photo.png",
        "pictures",
        "pictures/p0.png",
        "bank",
    ]
    return [
        *found,
        "given.zip",
        "captions.jsonl",
        "bank/bank.sqlite",
        "/dev/null",
        "/dev/zero",
        "/proc/self/mem",
        "nowhere",
        "tiny",
    ]


def _state(place: Path) -> dict[str, str]:
    """Every file that must stay: not the bank's own, and no empty one, which has nothing to lose."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(place):
        if Path(folder) == place:
            folders.remove("bank")
        for name in [*files, *(one for one in folders if Path(folder, one).is_symlink())]:
            path = Path(folder, name)
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and not status.st_size:
                continue
            if stat.S_ISREG(status.st_mode):
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                found[str(path)] = oct(stat.S_IFMT(status.st_mode))
    return found


def _shown(argument: str) -> str:
    shown = (
        json.dumps(argument) if not argument.isprintable() or " " in argument or not argument else argument
    )
    return shown if len(shown) < 60 else shown[:57] + "..."
