"""Fixtures of the studio's tests: a studio over a small bank with networks that see colours, and a client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).parents[1]))

import numpy as np
import pytest
from bank_copies import copy_folder, made_once
from PIL import Image
from small_bank import make_small_bank
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN, opened_studio

from freeda_studio.app import make_app
from freeda_studio.studio import Studio

if TYPE_CHECKING:
    from browsing import Visit
    from playwright.sync_api import Browser


@pytest.fixture
def bank(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two revisions: a car (twice) and a tree; then a dog of another source. Its own copy."""
    return copy_folder(made_once(tmp_path_factory, "small-bank", make_small_bank), tmp_path / "bank")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Two pictures of 48 x 40, dark on the left: blue on the right of one, green on that of the other."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / "blue.png", folder / "green.png"]
    for path, colour in zip(paths, [(30, 30, 250), (30, 250, 30)], strict=True):
        pixels = np.zeros((40, 48, 3), dtype=np.uint8)
        pixels[:, 24:] = colour
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture
def studio(bank: Path) -> Iterator[Studio]:
    """A studio over the bank."""
    with opened_studio(bank) as opened:
        yield opened


@pytest.fixture
def client(studio: Studio) -> TestClient:
    """A program that has the token."""
    return TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; no longer than a module, for its event loop would be in the way of others."""
    from browsing import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A visit with a window of 1280 x 900; fails in the end if anything went wrong in it."""
    from browsing import Visit

    visit = Visit(browser, viewport={"width": 1280, "height": 900})
    yield visit
    visit.close()
