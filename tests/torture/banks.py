"""The bank that is tortured, and everything that two banks can be compared by."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from bank_copies import copy_file, copy_folder, written_extents

from tests.torture import commands

__all__ = [
    "CAPTIONS",
    "MORE",
    "compare",
    "copy_file",
    "copy_folder",
    "make_world",
    "read_bank",
    "written_extents",
]

CAPTIONS, MORE = "captions.jsonl", "more.jsonl"
_WORDS = ("car", "tree", "boat", "cat", "sky", "grass")
_QUERIES = 6
_CLOSE = 1e-4
"""Networks give other last digits when a run that was cut short makes up other batches."""


def write_captions(path: Path, first: int, count: int) -> Path:
    """Captions of two nouns each, with provenance."""
    lines = []
    for index in range(first, first + count):
        one, two = _WORDS[index % 6], _WORDS[(index * 3 + 1 + index // 6) % 6]
        text = f"a {one} and a {two} number {index}"
        lines.append(json.dumps({"caption": text, "id": index, "source": f"s{index % 3}", "license": "CC0"}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_world(folder: Path) -> Path:
    """A folder with captions, pictures, an archive, and a bank of five revisions and a tag."""
    commands.in_child(lambda: _make_world(folder), limit=600)
    return folder


def _make_world(folder: Path) -> None:
    from PIL import Image

    commands.load_networks()
    folder.mkdir(parents=True)
    write_captions(folder / CAPTIONS, 0, 24)
    write_captions(folder / MORE, 24, 16)
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(5)
    for index in range(3):
        pixels = np.zeros((64, 64, 3), dtype=np.uint8)
        pixels[:32], pixels[32:] = rng.integers(0, 255, 3), rng.integers(0, 255, 3)
        Image.fromarray(pixels).save(folder / "pictures" / f"p{index}.png")
    for arguments in (
        ["ingest", CAPTIONS, "--bank", "bank", "--preset", "tiny", "--limit", "16"],
        ["ingest", CAPTIONS, "--bank", "bank", "--preset", "tiny", "--message", "the rest"],
        ["bank", "prune", "--where", "noun=boat", "--bank", "bank"],
        ["bank", "rollback", "1", "--bank", "bank"],
        ["bank", "rollback", "3", "--bank", "bank"],
        ["bank", "tag", "v1", "--at", "1", "--bank", "bank"],
        ["bank", "export", "given.zip", "--bank", "bank"],
    ):
        made = commands.run(arguments, folder)
        if made.code:
            raise RuntimeError(f"freeda {' '.join(arguments)} failed: {made.errors}")


def read_bank(folder: Path) -> dict[str, Any]:
    """All that a reader can see: every revision's prototypes, vectors, neighbours, thumbnails; JSON."""
    from freeda_store import Bank

    with Bank.read(folder) as bank:
        revisions = bank.revisions()
        return {
            "revisions": [
                (r.number, r.parent, r.message, r.prototypes_added, r.prototypes_retired, sorted(r.tags))
                for r in revisions
            ],
            "views": {str(r.number): _view(bank, r.number) for r in revisions},
            "pictures": _pictures(bank, [r.number for r in revisions]),
        }


def _at(bank: Any, number: int) -> Any:
    """The bank at one of its revisions, with the same open stores."""
    return type(bank)(bank._stores, bank.manifest, bank.address, bank._history().resolve(number).id)


def _pictures(bank: Any, numbers: Sequence[int]) -> dict[str, list[int]]:
    """The size of every picture and attribution map that a revision shows, by key; each is decoded once."""
    infos = [info for number in numbers for info in _at(bank, number).infos()]
    keys = {info.picture_key for info in infos} | {info.attribution_key for info in infos}
    return {key: list(bank.thumbnail(key).size) for key in sorted(keys)}


def _view(bank: Any, number: int) -> dict[str, Any]:
    view = _at(bank, number)
    infos = list(view.infos())
    held = view.vectors([info.id for info in infos])
    rng = np.random.default_rng(11)
    queries = rng.standard_normal((_QUERIES, held.text_keys.shape[1])).astype(np.float32)
    counted = view.stats()
    return {
        "ids": [str(info.id) for info in infos],
        "infos": [_exact(asdict(info)) for info in infos],
        "scores": _pack(np.array([list(asdict(info.scores).values()) for info in infos], dtype=np.float32)),
        "texts": _pack(held.text_keys),
        "visuals": _pack(held.visuals),
        "nearest": [
            sorted(str(i.id) for i in hit.infos) for hit in view.nearest(queries, len(infos) // 2 or 1)
        ],
        "counts": [counted.prototypes, counted.nouns, counted.captions],
    }


def _exact(info: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in info.items() if name != "scores"}, default=str)


def _pack(values: np.ndarray) -> dict[str, Any]:
    data = base64.b64encode(np.ascontiguousarray(values, dtype=np.float32).tobytes()).decode()
    return {"shape": list(values.shape), "data": data}


def _unpack(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=np.float32).reshape(packed["shape"])


def compare(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What is not the same in two banks: identity exactly, numbers up to rounding."""
    wrong = []
    if found["revisions"] != expected["revisions"]:
        wrong.append(f"revisions are {found['revisions']}, not {expected['revisions']}")
    lost = [key for key, size in expected.get("pictures", {}).items() if found["pictures"].get(key) != size]
    wrong += [f"{len(lost)} pictures differ, {lost[0]}"] if lost else []
    for number, wanted in expected["views"].items():
        view = found["views"].get(number)
        if view is None:
            wrong.append(f"revision {number} is gone")
            continue
        wrong += [f"revision {number}: {name} differ" for name in _differing(view, wanted)]
    return wrong


def _differing(view: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    names = [name for name in ("ids", "infos", "nearest", "counts") if view[name] != wanted[name]]
    for name in ("scores", "texts", "visuals"):
        one, other = _unpack(view[name]), _unpack(wanted[name])
        if one.shape != other.shape or not np.allclose(one, other, atol=_CLOSE, rtol=1e-3, equal_nan=True):
            names.append(name)
    return names
