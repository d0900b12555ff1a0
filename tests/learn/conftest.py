from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for _folder in ("learn", "segment", "ingest"):
    sys.path.append(str(Path(__file__).parents[1] / _folder))

from learn_fakes import make_learner, scene  # noqa: E402
from PIL import Image  # noqa: E402

from freeda_learn import Learner  # noqa: E402


@pytest.fixture
def learner(tmp_path: Path) -> Iterator[Learner]:
    with make_learner(tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A red thing on green, 48 x 32: columns 8 to 23 and rows 8 to 23 are red."""
    path = tmp_path / "photo.png"
    Image.fromarray(scene("red", "green")).save(path)
    return path
