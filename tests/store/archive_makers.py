"""A small bank with every kind of revision, looking at all of its versions, and archives changed by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from store_makers import NOUNS, make_generation, text_key

from freeda_store import Bank, parse_filter

QUERIES = np.stack([text_key(noun) for noun in NOUNS])


def fill(folder: Path) -> None:
    """Additions, a retirement, a rollback, another addition; two tags."""
    with Bank.open(folder) as bank:
        add(bank, "first", range(5))
        bank.tag("v1")
        bank.retire(parse_filter(["noun=boat"]), "no boats")
        add(bank, "second", range(5, 8))
        bank.rollback(1, "boats again")
        add(bank, "third", range(8, 10))
        bank.tag("v2")


def add(bank: Bank, name: str, indices: range) -> None:
    """Commit a revision of these generations."""
    with bank.write(name, f"run {name}") as writer:
        writer.add([make_generation(index, license=f"cc-{index % 3}") for index in indices])
        writer.commit()


def look(address: str | Path) -> dict[str, Any]:
    """Everything that a bank shows at every version, but for the last bits of text keys."""
    with Bank.open(address) as bank:
        revisions = bank.revisions()
        manifest = bank.manifest
        assert bank.verify().ok
    versions = [look_at(f"{address}@{revision.number}") for revision in revisions]
    return {"revisions": revisions, "manifest": manifest, "versions": versions}


def look_at(address: str) -> list[Any]:
    """Prototypes with vectors and thumbnails, and answers, of one version."""
    with Bank.open(address) as bank:
        infos = list(bank.infos())
        vectors = bank.vectors([info.id for info in infos])
        keys = {key for info in infos for key in (info.picture_key, info.attribution_key)}
        thumbnails = {key: bank.thumbnail(key).tobytes() for key in keys}
        answers = [(found.ids, found.visuals.tolist()) for found in bank.nearest(QUERIES, k=3)]
        return [infos, vectors.text_keys.round(6).tolist(), vectors.visuals.tolist(), thumbnails, answers]


Members = list[tuple[zipfile.ZipInfo, bytes]]


def remake(data: bytes, change: Callable[[Members], Members]) -> bytes:
    """An archive's bytes after its members were changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(zipfile.ZipInfo(info.filename), archive.read(info)) for info in archive.infolist()]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in change(members):
            archive.writestr(info, content)
    return buffer.getvalue()
