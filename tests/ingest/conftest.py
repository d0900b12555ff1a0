from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ingest_fakes import fake_manifest, fake_models

from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_store import Bank


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as opened:
        yield opened


@pytest.fixture
def ingestor(bank: Bank, tmp_path: Path) -> Ingestor:
    return Ingestor(bank, LocalExecutor(fake_models()), batch_size=3, fallback_folder=tmp_path)
