"""Banks made with the bundled networks, once a test run."""

from __future__ import annotations

from pathlib import Path

import pytest
from bank_copies import copy_folder, made_once

from benchmarks.tiny_quality import PRESET, generated_bank, oracle_bank
from freeda_models.presets import load_preset

ROOT = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here runs real networks."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def example_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``freeda ingest examples/captions.jsonl`` makes in 8 steps of the sampler.

    The preset's 25 give the same mIoU (docs/offline-table.md, "Fewer sampling steps") and take three
    times as long, a quarter of the time of all tests.
    """
    tiny = load_preset(PRESET)
    preset = tiny.model_copy(update={"generator": tiny.generator.model_copy(update={"steps": 8})})
    made = made_once(tmp_path_factory, "generated", lambda folder: generated_bank(folder, preset))
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
