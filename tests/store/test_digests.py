"""Checksums are those of the very bytes that engines keep, wherever a bank is copied."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hosted_makers import Team
from presence import present
from sharing_makers import copy_open, fill, source_of
from sqlalchemy import select
from store_makers import WITHOUT_CHECKSUMS, make_generation

from freeda_store import Bank
from freeda_store.digests import (
    Checksums,
    canonical_point,
    canonical_text,
    record_digest,
    semantic_digest,
    vectors_digest,
)
from freeda_store.errors import BankDamagedError
from freeda_store.payload import make_payload
from freeda_store.sharing.archive import export_bank, import_bank
from freeda_store.sql.proofs import add_checksums, listed_prototypes
from freeda_store.sql.tables import PrototypeRow
from freeda_store.vectors.edge import EdgeVectors
from freeda_store.vectors.protocol import VectorSizes


def kept(bank: Bank) -> dict[UUID, Checksums]:
    return {listed.prototype.id: listed.proof for listed in listed_prototypes(bank._stores.catalog)}


def held(bank: Bank) -> dict[UUID, Checksums]:
    """Checksums of what the engine gives and of what SQL says."""
    found = {}
    for listed in listed_prototypes(bank._stores.catalog):
        id_ = listed.prototype.id
        fetched = bank._stores.vectors.fetch([id_], texts=True, visuals=True, semantics=True)
        vectors = vectors_digest(fetched.texts[0], fetched.visuals[0])
        record = record_digest(make_payload(listed.prototype), vectors)
        assert record == record_digest(fetched.payloads[0], vectors)
        semantic = semantic_digest(fetched.semantics[0]) if listed.proof.semantic else None
        found[id_] = Checksums(vectors, record, semantic)
    return found


@pytest.mark.parametrize("size", [1, 3, 8, 384, 512, 768, 1024])
def test_the_engine_keeps_canonical_vectors_bit_for_bit(tmp_path: Path, size: int) -> None:
    rng = np.random.default_rng(size)
    count = 400
    texts = rng.standard_normal((count, size)) * np.exp(rng.uniform(-3, 3, (count, 1)))
    sparse = rng.random((count, size)) < 0.05
    texts[: count // 4] = np.where(sparse, texts, 0.0)[: count // 4]
    texts[np.abs(texts).sum(axis=1) == 0, 0] = 1
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    texts *= 1 + rng.choice([0, 1e-8, 1e-7, -2.4e-7, 2.6e-7, -5e-7, 1e-6, 1e-4, -9e-3], (count, 1))
    scales = np.exp(rng.uniform(-18, 11, (count, 1)))
    visuals = (rng.standard_normal((count, size)) * scales).clip(-65504, 65504).astype(np.float32)
    points = [canonical_point(UUID(int=i + 1), texts[i], visuals[i], {"added_in": 1}) for i in range(count)]
    written = {point.id: vectors_digest(point.text, point.visual) for point in points}
    store = EdgeVectors.create(tmp_path / "vectors", VectorSizes(size, size))
    store.upsert(points)
    for moment in ("written", "optimized", "opened again"):
        if moment == "optimized":
            store.optimize()
            store.flush()
        elif moment == "opened again":
            store.close()
            store = EdgeVectors.load(tmp_path / "vectors")
        found = store.fetch(list(written), texts=True, visuals=True)
        rows = zip(found.ids, found.texts, found.visuals, strict=True)
        assert {id_: vectors_digest(text, visual) for id_, text, visual in rows} == written, moment
    store.close()


def test_bringing_a_key_to_length_1_twice_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    for _ in range(500):
        text = rng.standard_normal(int(rng.integers(1, 900))) * np.exp(rng.uniform(-9, 9))
        once = canonical_text(text)
        assert once.dtype == np.float32
        assert once.tobytes() == canonical_text(once).tobytes()
        np.testing.assert_allclose(np.linalg.norm(once.astype(np.float64)), 1, atol=1e-6)


def test_a_writer_keeps_checksums_of_what_it_wrote(bank: Bank) -> None:
    generation = make_generation(3)
    long = [replace(p, text_key=present(p.text_key) * np.float32(1.004)) for p in generation.prototypes]
    with bank.write("m", "run") as writer:
        writer.add([make_generation(0), replace(generation, prototypes=tuple(long))])
        writer.commit()
    assert len(kept(bank)) == 4
    assert kept(bank) == held(bank)


def test_a_record_has_one_checksum_whatever_happens_later() -> None:
    payload: dict[str, Any] = {
        "generation": "g", "noun": "car", "kind": "noun", "span": [0, 3], "caption": "c", "external_id": "",
        "source": "", "license": "", "url": "", "seed": 7, "contrast": 1.0, "area": 0.25,
        "clip_agreement": 0.5, "outlier_distance": 0.0, "picture_key": "", "attribution_key": "",
        "added_in": 1, "retired_in": [],
    }  # fmt: skip
    expected = record_digest(payload, b"v")
    assert expected is not None
    later = payload | {"retired_in": [4], "outlier_distance": 0.5, "contrast": 1}
    assert record_digest(later, b"v") == expected
    assert record_digest(payload, b"w") != expected
    for name in payload.keys() - {"retired_in", "outlier_distance"}:
        assert record_digest(payload | {name: None}, b"v") != expected, name
        assert record_digest({k: v for k, v in payload.items() if k != name}, b"v") != expected, name


def test_checksums_are_equal_wherever_a_bank_goes(source: Bank, sink: Bank, tmp_path: Path) -> None:
    expected = kept(source)
    assert len(expected) > 10
    assert expected == held(source)
    assert all(proof.vectors and proof.record for proof in expected.values())
    copy_open(source, sink)
    assert kept(sink) == expected
    sink.close()
    archive, back = tmp_path / "bank.freeda", tmp_path / "back"
    export_bank(str(tmp_path / "bank"), archive)
    import_bank(archive, str(back))
    with Bank.open(back) as imported:
        assert kept(imported) == expected == held(imported)


def test_a_hosted_bank_keeps_the_same(team: Team, source: Bank) -> None:
    with Bank.open("team") as hosted:
        copy_open(source, hosted)
        assert kept(hosted) == kept(source) == held(hosted)


def test_altered_vectors_are_given_to_nobody(source: Bank, sink: Bank) -> None:
    (part, *_) = source_of(source).parts(1)
    victim = part.prototypes[0].id
    store = source._stores.vectors
    fetched = store.fetch([victim], texts=True, visuals=True)
    visual = fetched.visuals[0].copy()
    visual[0] += 1
    store.upsert([canonical_point(victim, fetched.texts[0], visual, fetched.payloads[0])])
    with pytest.raises(BankDamagedError, match=f"{victim} in source are not those that were written.*repair"):
        copy_open(source, sink)
    assert sink.revisions() == []


def test_an_older_bank_is_upgraded_with_its_data(folder: Path) -> None:
    with Bank.open(folder) as bank:
        fill(bank)
        written, seen = kept(bank), list(bank.infos())
    with closing(sqlite3.connect(folder / "bank.sqlite")) as connection:
        for statement in WITHOUT_CHECKSUMS:
            connection.execute(statement)
        connection.commit()
    with Bank.open(folder) as bank:
        assert list(bank.infos()) == seen
        assert set(kept(bank).values()) == {Checksums(None, None)}
        with bank.write("more", "more") as writer:
            writer.add([make_generation(77)])
            writer.commit()
        assert sum(proof.vectors is not None for proof in kept(bank).values()) == 2
        add_checksums(bank._stores.catalog, held(bank))
        bare = {id_: replace(proof, semantic=None) for id_, proof in written.items()}
        assert {id_: proof for id_, proof in kept(bank).items() if id_ in written} == bare
        some = next(iter(written))
        add_checksums(bank._stores.catalog, {some: Checksums(b"other", b"other")})
        assert kept(bank)[some] == bare[some], "what is there is never overwritten"


def test_an_older_hosted_bank_is_upgraded_with_its_data(team: Team) -> None:
    with Bank.open("team") as bank:
        fill(bank)
        seen = list(bank.infos())
        with bank._stores.catalog.transaction() as connection:
            for statement in WITHOUT_CHECKSUMS:
                connection.exec_driver_sql(statement)
    with Bank.open("team") as bank:
        assert list(bank.infos()) == seen
        with bank._stores.catalog.transaction() as connection:
            assert set(connection.execute(select(PrototypeRow.vectors_digest)).scalars()) == {None}
        add_checksums(bank._stores.catalog, held(bank))
        assert kept(bank) == held(bank)
