from __future__ import annotations

from pathlib import Path

import pytest

from freeda_store import Bank, Manifest, ModelRecord
from freeda_store.errors import BankDamagedError, BankMissingError
from freeda_store.peek import read_manifest


def manifest() -> Manifest:
    def model(dim: int) -> ModelRecord:
        return ModelRecord(id="m", revision="1", sha256="ab", dim=dim, preprocessing="")

    return Manifest(
        preset="mine",
        clip=model(4),
        backbone=model(6),
        generator=model(0),
        nouns=model(0),
        keys=model(4),
        key_strategy="template_mean",
        templates="openai_subset",
        threshold={"strategy": "fixed"},
        created_by="a test",
    )


def test_a_manifest_is_read_while_the_bank_is_open_and_after(tmp_path: Path) -> None:
    with Bank.open(tmp_path / "bank #1?", create=manifest()) as bank:
        assert read_manifest(tmp_path / "bank #1?") == bank.manifest
        assert read_manifest(f"{tmp_path / 'bank #1?'}@1") == bank.manifest
    assert read_manifest(tmp_path / "bank #1?").preset == "mine"


def test_no_bank_and_a_broken_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(BankMissingError):
        read_manifest(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []
    with Bank.open(tmp_path / "bank", create=manifest()):
        pass
    (tmp_path / "bank" / "bank.sqlite").write_bytes(b"no database")
    with pytest.raises(BankDamagedError):
        read_manifest(tmp_path / "bank")
