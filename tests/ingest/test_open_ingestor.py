"""Opening an ingestor: what fails leaves nothing open behind it."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeda_ingest.errors import ClusterError
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import CaptionRecipe, open_ingestor
from freeda_ingest.models import PresetModels
from freeda_store import Bank
from freeda_store.errors import BankError


def broken(recipe: CaptionRecipe) -> LocalExecutor:
    raise ClusterError(f"no room for {recipe.preset.name}.")


def test_an_executor_that_cannot_be_made_leaves_no_bank_behind(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="no room for tiny"):
        open_ingestor(tmp_path / "bank", "tiny", executor=broken)
    assert not (tmp_path / "bank").exists()


def test_an_executor_that_cannot_be_made_leaves_the_bank_free(tmp_path: Path) -> None:
    with open_ingestor(tmp_path / "bank", "tiny", device="cpu"):
        pass
    with pytest.raises(ClusterError, match="no room for tiny"):
        open_ingestor(tmp_path / "bank", executor=broken)
    Bank.open(tmp_path / "bank").close()


def test_a_bank_that_cannot_be_opened_closes_the_executor(tmp_path: Path) -> None:
    closed: list[str] = []

    class Closing(LocalExecutor):
        def close(self) -> None:
            closed.append("executor")

    with open_ingestor(tmp_path / "bank", "tiny", device="cpu"), pytest.raises(BankError):
        open_ingestor(
            tmp_path / "bank",
            "tiny",
            executor=lambda recipe: Closing(PresetModels(recipe.preset, "cpu")),
        )
    assert closed == ["executor"]
