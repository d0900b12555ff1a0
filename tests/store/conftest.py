from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from store_makers import make_manifest

from freeda_store import Bank


@pytest.fixture(scope="session")
def empty_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty bank, made once; making one takes a second or two."""
    made = tmp_path_factory.mktemp("made") / "bank"
    Bank.open(made, create=make_manifest()).close()
    return made


@pytest.fixture
def folder(tmp_path: Path, empty_bank: Path) -> Path:
    """The folder of an empty bank of one's own."""
    return Path(shutil.copytree(empty_bank, tmp_path / "bank"))


@pytest.fixture
def bank(folder: Path) -> Iterator[Bank]:
    with Bank.open(folder) as opened:
        yield opened
