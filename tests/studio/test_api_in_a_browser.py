"""The page of the API and the downloads, as a person meets them in a browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from bank_copies import copy_folder, made_once
from browsing import Visit, clipped, overflow, violations
from playwright.sync_api import Browser, expect
from small_bank import make_small_bank
from studio_desk import Desk, listening
from studio_makers import opened_studio

from benchmarks.studio_server import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a studio with two pictures listens."""
    made = made_once(tmp_path_factory, "small-bank", make_small_bank)
    bank = copy_folder(made, tmp_path_factory.mktemp("api") / "bank")
    pictures = [ROOT / "examples" / name for name in ("boat-on-water.png", "car-and-tree.png")]
    with opened_studio(bank, *pictures) as studio, listening(studio) as listens:
        yield listens


def api_of(address: str) -> str:
    return address.replace("/?", "/api?")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everybody_can_read_the_page(
    browser: Browser, address: str, width: int, colours: Literal["light", "dark"]
) -> None:
    visit = Visit(browser, viewport={"width": width, "height": 900}, color_scheme=colours)
    page = visit.page()
    page.goto(api_of(address))
    page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
    assert violations(page) == []
    assert overflow(page) == 0
    assert clipped(page) == []
    visit.close()


def test_a_link_opens_an_operation_and_its_command_is_copied(browser: Browser, address: str) -> None:
    visit = Visit(browser, permissions=["clipboard-read", "clipboard-write"])
    page = visit.page()
    page.goto(api_of(address))
    page.goto(page.url + "#get-api-v1-bank")
    operation = page.locator("#get-api-v1-bank")
    expect(operation).to_have_attribute("open", "")
    operation.get_by_role("button", name="Copy").click()
    expect(page.locator(".toast")).to_have_text("Copied.")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith('curl -H "Authorization: Bearer $FREEDA_TOKEN" http://127.0.0.1:')
    assert copied.endswith("/api/v1/bank")
    visit.close()


def test_one_picture_and_all_are_downloaded(browser: Browser, address: str) -> None:
    visit = Visit(browser, viewport={"width": 1440, "height": 900}, accept_downloads=True)
    desk = Desk(visit.page()).open(address, ("car", "tree"))
    desk.show("car-and-tree.png")
    form = desk.page.locator("#download")
    expect(form.locator("option")).to_have_count(14)
    expect(form.locator("select")).to_have_value("overlay")
    with desk.page.expect_download() as begun:
        form.get_by_role("button", name="This picture").click()
    assert begun.value.suggested_filename == "car-and-tree.overlay.png"
    form.locator("select").select_option("coco")
    with desk.page.expect_download() as begun:
        form.get_by_role("button", name="All pictures").click()
    assert begun.value.suggested_filename == "freeda-coco.zip"
    assert begun.value.failure() is None
    assert "/download" not in desk.page.url
    visit.close()
