"""What the first screen shows of banks that cannot be changed, or hold nothing: in a browser, with networks
that see colours.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from browsing import Visit, violations
from playwright.sync_api import expect
from studio_desk import Desk, listening
from studio_makers import opened_studio

from freeda_store import Bank

CLASSES = ("car", "tree")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.zeros((40, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = (250, 30, 30)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_studio_that_only_reads_says_so_and_has_no_buttons(visit: Visit, bank: Path, photo: Path) -> None:
    with opened_studio(bank, photo, read_only=True) as studio, listening(studio) as address:
        desk = Desk(visit.page()).open(address, CLASSES)
        desk.click(0.8, 0.5)
        expect(desk.panel.locator(".card").first).to_be_visible()
        expect(desk.panel.get_by_role("button")).to_have_count(0)
        expect(desk.panel).to_contain_text("started with --read-only")
        expect(desk.page.locator("main > .notice")).to_contain_text("started with --read-only")
        assert violations(desk.page) == []
        desk.page.close()


def test_an_old_version_of_a_bank_says_that_it_stays(visit: Visit, bank: Path, photo: Path) -> None:
    with opened_studio(f"{bank}@1", photo) as studio, listening(studio) as address:
        desk = Desk(visit.page()).open(address, CLASSES)
        assert desk.revision == 1
        desk.click(0.8, 0.5)
        expect(desk.panel.get_by_role("button")).to_have_count(0)
        expect(desk.panel).to_contain_text("one version of a bank for ever")
        desk.page.close()


def test_a_bank_that_is_emptied_says_what_to_do(visit: Visit, bank: Path, photo: Path) -> None:
    visit.allowed = ("Failed to load resource: the server responded with a status of 422",)
    with opened_studio(bank, photo) as studio, listening(studio) as address:
        desk = Desk(visit.page()).open(address, CLASSES)
        first = desk.revision
        with Bank.open(bank) as other:
            other.retire([info.id for info in other.infos()], "all")
        desk.wait_for_revision(first + 1)
        for _ in range(2):
            expect(desk.page.locator("#problem")).to_contain_text("the bank has no usable prototype for")
            expect(desk.legend).to_be_empty()
            desk.page.reload()
        desk.page.close()
