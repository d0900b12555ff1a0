"""What reads a folder's revisions, filled with points as another engine is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from freeda_store import Caption, Scores
from freeda_store.digests import canonical_point, checksums
from freeda_store.payload import StoredPrototype, make_payload
from freeda_store.revisions.file import write_file
from freeda_store.revisions.layout import FOLDER, Part
from freeda_store.revisions.vectors import ReaderVectors
from freeda_store.sql.catalog import Catalog
from freeda_store.sql.reading import open_to_read
from freeda_store.sql.rows import StoredGeneration
from freeda_store.sql.schema import create_tables
from freeda_store.vectors.protocol import Point, VectorSizes


def full_payload(id_: UUID, index: int, fields: dict[str, Any]) -> dict[str, Any]:
    """The payload that a prototype of a bank has, with some fields given."""
    return dict(make_payload(_prototype(id_, index, fields), fields["retired_in"]))


def _prototype(id_: UUID, index: int, told: dict[str, Any]) -> StoredPrototype:
    usual = {"source": "", "license": "", "contrast": 1.0, "seed": 0, "origin": "generated", "part": 0}
    fields: dict[str, Any] = usual | {"kind": "noun", "span": (0, 7)} | told
    caption = Caption(
        f"caption {index}",
        str(index),
        str(fields["source"]),
        str(fields["license"]),
        f"https://example.org/{index}",
    )
    return StoredPrototype(
        id=id_,
        generation=UUID(int=index + 1),
        caption=caption,
        seed=int(fields["seed"]),
        picture_key="",
        noun=str(fields["noun"]),
        kind=str(fields["kind"]),
        span=(fields["span"][0], fields["span"][1]),
        scores=Scores(float(fields["contrast"]), 0.25, 0.5, 0.125),
        attribution_key="",
        origin=str(fields["origin"]),
        part=int(fields["part"]),
        added_in=int(fields["added_in"]),
    )


def make_reader(folder: Path, points: Sequence[Point], sizes: VectorSizes) -> ReaderVectors:
    """A reader of a bank with these points, each of a generation of its own."""
    folder.mkdir(exist_ok=True)
    catalog = Catalog(create_tables(folder / "bank.sqlite"))
    canonical = [canonical_point(p.id, p.text, p.visual, p.payload, p.semantic) for p in points]
    proofs = {point.id: checksums(point) for point in canonical}
    width = max((len(p.semantic) for p in points if p.semantic is not None), default=0)
    payloads: list[dict[str, Any]] = [dict(p.payload) for p in points]
    revisions = range(1, 1 + max([1, *(int(payload["added_in"]) for payload in payloads)]))
    for revision in [*revisions, *range(revisions.stop, revisions.stop + 5)]:
        assert catalog.open_revision(f"run {revision}", "m") == revision
    for revision in revisions:
        mine = sorted((p for p in canonical if p.payload["added_in"] == revision), key=lambda p: p.id)
        stored = [_generation(point) for point in mine]
        catalog.insert_generations(revision, stored, proofs, ())
        for start in range(0, len(mine), 100):  # several files, as of a large revision
            part = mine[start : start + 100]
            write_file(
                folder / FOLDER / Part(revision, start // 100).name,
                [p.id for p in part],
                np.stack([np.zeros(sizes.text, np.float32) if p.text is None else p.text for p in part]),
                np.stack([p.visual for p in part]),
                np.stack([np.zeros(width, np.float32) if p.semantic is None else p.semantic for p in part]),
            )
    for point in canonical:
        kept: dict[str, Any] = dict(point.payload)
        for revision in kept["retired_in"]:
            catalog.retire(int(revision), [point.id])
    for revision in [*revisions, *range(revisions.stop, revisions.stop + 5)]:
        catalog.commit_revision(revision, revision - 1 or None)
    catalog.close()
    engine = open_to_read(folder / "bank.sqlite")
    assert engine is not None
    reader = ReaderVectors(folder, Catalog(engine), sizes)
    reader.require_complete()
    return reader


def _generation(point: Point) -> StoredGeneration:
    told: dict[str, Any] = dict(point.payload)
    index = UUID(str(told["generation"])).int - 1
    prototype = _prototype(point.id, index, told)
    assert make_payload(prototype, told["retired_in"]) == told
    return StoredGeneration(
        prototype.generation, prototype.caption, prototype.seed, "", (), (prototype,), origin=prototype.origin
    )
