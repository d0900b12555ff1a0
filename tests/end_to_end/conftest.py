"""Banks made with the bundled networks, once a test run."""

from __future__ import annotations

from pathlib import Path

import pytest
from bank_copies import copy_folder, made_once

from benchmarks.tiny_quality import generated_bank, oracle_bank

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs real networks."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def example_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``freeda ingest examples/captions.jsonl`` makes."""
    made = made_once(tmp_path_factory, "generated", generated_bank)
    return copy_folder(made, tmp_path_factory.mktemp("banks") / "generated")


@pytest.fixture(scope="session")
def exact_bank(tmp_path_factory: pytest.TempPathFactory, example_bank: Path) -> Path:
    """Prototypes pooled over exact masks of rendered scenes, under the same manifest."""
    from freeda_store import Bank

    def make(folder: Path) -> None:
        with Bank.open(example_bank) as bank:
            manifest = bank.manifest
        oracle_bank(folder, manifest)

    made = made_once(tmp_path_factory, "oracle", make)
    return copy_folder(made, tmp_path_factory.mktemp("banks") / "oracle")
