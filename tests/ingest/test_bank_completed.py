"""A bank of an earlier version gets CLIP's view of its regions from its own pictures."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from ingest_fakes import FakeClip, fake_manifest, fake_models
from test_pipeline import seeded

from freeda_ingest.completing import complete_bank
from freeda_ingest.errors import OptionError
from freeda_ingest.models import IngestModels
from freeda_ingest.pipeline import process_batch
from freeda_ingest.settings import DEFAULT_SETTINGS
from freeda_models.presets import Preset, load_preset, preset_document
from freeda_store import Bank
from freeda_store.errors import ManifestMismatchError
from freeda_store.records import NewGeneration

TEXTS = ("a red car beside a tree", "a boat", "a house and a cat", "a big truck")


def drawn() -> tuple[NewGeneration, ...]:
    return process_batch(fake_models(), DEFAULT_SETTINGS, [seeded(text) for text in TEXTS]).generations


def without_semantics(generation: NewGeneration) -> NewGeneration:
    return replace(generation, prototypes=tuple(replace(p, semantic=None) for p in generation.prototypes))


def fill(folder: Path, generations: list[NewGeneration], **manifest: object) -> Path:
    made = fake_manifest().model_copy(update=manifest)
    with Bank.open(folder, create=made) as bank, bank.write("m", "run") as writer:
        writer.add(generations)
        writer.commit()
    return folder


def semantics(folder: Path) -> dict[UUID, np.ndarray]:
    with Bank.read(folder) as bank:
        ids = [info.id for info in bank.infos()]
        return dict(zip(ids, bank.vectors(ids).semantics, strict=True))


def test_ingestion_keeps_what_clip_saw_of_each_region() -> None:
    for generation in drawn():
        for prototype in generation.prototypes:
            assert prototype.semantic is not None
            text = FakeClip().encode_texts([f"a photo of a {prototype.noun}."])[0]
            agreement = float(prototype.semantic @ text)
            assert agreement == pytest.approx(prototype.scores.clip_agreement, abs=2e-3)


def test_completed_vectors_are_near_to_those_of_ingestion(tmp_path: Path) -> None:
    wanted = semantics(fill(tmp_path / "new", list(drawn())))
    folder = fill(tmp_path / "old", list(map(without_semantics, drawn())))
    report = complete_bank(folder, models=fake_models())
    found = semantics(folder)
    assert (report.completed, report.without_picture, report.unreadable) == (len(wanted), 0, 0)
    assert found.keys() == wanted.keys()
    for id_, row in wanted.items():
        assert float(found[id_] @ row) > 0.99
    assert report.deviation < 0.02
    assert report.unlike == 0
    again = complete_bank(folder, preset="there is none")
    assert again.completed == 0


def test_a_bank_that_keeps_its_preset_needs_no_file_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = load_preset("tiny").model_copy(update={"name": "mine"})
    kept = {"preset": "mine", "preset_document": preset_document(own)}
    folder = fill(tmp_path / "old", list(map(without_semantics, drawn())), **kept)
    loaded: list[Preset] = []

    def load(preset: Preset, device: str) -> IngestModels:
        loaded.append(preset)
        return fake_models()

    monkeypatch.setattr("freeda_ingest.completing.PresetModels", load)
    assert complete_bank(folder, device="cpu").completed == len(semantics(folder))
    assert loaded == [own]


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "old", list(map(without_semantics, drawn())))
    monkeypatch.setattr("freeda_ingest.completing._CROPS_AT_ONCE", 2)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete_bank(folder, models=fake_models(), progress=stop)
    assert sum(bool(row.any()) for row in semantics(folder).values()) == 2
    assert complete_bank(folder, models=fake_models()).completed == len(semantics(folder)) - 2
    assert all(row.any() for row in semantics(folder).values())


def test_what_has_no_picture_stays_without(tmp_path: Path) -> None:
    old = list(map(without_semantics, drawn()))
    bare = replace(old[0], image_hwc=None)
    folder = fill(tmp_path / "old", [bare, *old[1:]])
    report = complete_bank(folder, models=fake_models())
    assert report.without_picture == len(bare.prototypes)
    with Bank.read(folder) as bank:
        assert bank.stats().without_semantic == len(bare.prototypes)
    lost = next((folder / "thumbnails").glob("*/*.webp"))
    lost.unlink()
    with sqlite3.connect(folder / "bank.sqlite") as connection:
        connection.execute("UPDATE prototype SET semantic_digest = NULL")
    connection.close()
    assert complete_bank(folder, models=fake_models()).unreadable >= 1


def test_another_clip_and_an_unknown_way_to_cut_masks_are_refused(tmp_path: Path) -> None:
    old = list(map(without_semantics, drawn()))
    folder = fill(tmp_path / "old", old)
    models = fake_models()

    class Other(FakeClip):
        identity = replace(FakeClip.identity, sha256="00")

    with pytest.raises(ManifestMismatchError, match="clip"):
        complete_bank(folder, models=replace(models, clip=Other()))
    unknown = fill(tmp_path / "unknown", old, threshold={})
    with pytest.raises(OptionError, match="how its masks were cut"):
        complete_bank(unknown, models=models)
