"""Bank and History in a browser: select, retire, prune, tag, roll back, undo; every width, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Visit, clipped, overflow, violations
from playwright.sync_api import Browser, Page, expect
from small_bank import add_revision, make_generation
from studio_desk import listening
from studio_makers import opened_studio

from freeda_store import Bank, parse_filter

pytestmark = pytest.mark.slow

HOSTILE = '<b>bold</b> 100% "x" a/b'


@pytest.fixture
def filled(bank: Path) -> Path:
    """The small bank, with five boats and a noun that looks like markup."""
    boats = [make_generation(f"boat {number} at sea", {"boat": 2.0 + number}) for number in range(5)]
    add_revision(bank, "boats", *boats, make_generation(f"one {HOSTILE} here", {HOSTILE: 2.0}))
    return bank


@pytest.fixture
def address(filled: Path) -> Iterator[str]:
    with opened_studio(filled) as studio, listening(studio) as address:
        yield address


def opened(visit: Visit, address: str, path: str) -> Page:
    """A screen, after the token was given."""
    page = visit.page()
    page.goto(address)
    page.goto(address.partition("/?")[0] + path)
    return page


def test_selected_prototypes_are_retired_and_brought_back(visit: Visit, address: str) -> None:
    page = opened(visit, address, "/bank")
    page.get_by_role("link", name="boat").click()
    found, toast = page.get_by_role("heading", name="prototypes"), page.get_by_role("status").last
    expect(found).to_have_text("5 prototypes")
    expect(page.get_by_role("button", name="Retire selected")).to_be_disabled()
    boxes = page.locator("#cards").get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(page.locator("#selected")).to_have_text("3 selected")
    page.get_by_role("button", name="Retire selected").click()
    dialog = page.get_by_role("dialog", name="Retire 3 prototypes?")
    expect(dialog).to_contain_text("3 of boat; 2 remain")
    dialog.get_by_role("button", name="Cancel").click()
    expect(found).to_have_text("5 prototypes")
    page.get_by_role("button", name="Retire selected").click()
    dialog.get_by_role("textbox").fill("not boats")
    page.keyboard.press("Enter")
    expect(found).to_have_text("2 prototypes")
    expect(toast).to_contain_text("3 prototypes retired.")
    expect(page.locator("#bank")).to_contain_text("revision 4")
    toast.get_by_role("button", name="Undo").click()
    expect(found).to_have_text("5 prototypes")
    expect(toast).to_contain_text("revision 3 is shown again")


def test_all_of_a_strange_noun_are_retired_and_brought_back(visit: Visit, address: str) -> None:
    page = opened(visit, address, "/bank")
    page.get_by_role("link", name=HOSTILE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    page.get_by_role("button", name="Retire all of this noun").click()
    dialog = page.get_by_role("dialog", name="Retire all 1 prototype that pass?")
    expect(dialog).to_contain_text(f"1 of {HOSTILE}; none remains")
    expect(dialog).to_contain_text("The bank keeps 9 prototypes.")
    dialog.get_by_role("button", name="Retire 1").click()
    expect(page.locator("#content")).to_contain_text(f"shows no prototype of {HOSTILE}")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("heading", name="1 prototype")).to_be_visible()


def test_a_filter_is_filled_in_without_its_grammar_and_pruned_by(visit: Visit, address: str) -> None:
    page = opened(visit, address, "/bank/prototypes?noun=boat")
    page.get_by_label("Contrast from").fill("4.5")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="2 prototypes")).to_be_visible()
    page.get_by_role("button", name="Prune by this filter").click()
    page.get_by_role("button", name="Retire 2").click()
    expect(page.locator("#content")).to_contain_text("No prototype passes this filter.")
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("heading", name="3 prototypes")).to_be_visible()


def test_undo_takes_nothing_back_that_came_after(visit: Visit, address: str, filled: Path) -> None:
    visit.allowed = ("Failed to load resource",)
    page = opened(visit, address, "/bank/prototypes?noun=dog")
    page.route("**/api/v1/bank", lambda route: route.abort())  # or the page says first what changed
    page.get_by_role("button", name="Retire all of this noun").click()
    page.get_by_role("button", name="Retire 1").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    with Bank.open(filled) as other:
        other.retire(parse_filter(["noun=tree"]), "by another")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").last).to_contain_text("has changed and is at revision 5 now")
    with Bank.read(filled) as reader:
        assert not list(reader.infos(parse_filter(["noun=tree"])))


def test_tags_are_set_moved_and_forgotten(visit: Visit, address: str) -> None:
    page = opened(visit, address, "/history")
    first, toast = page.locator("#revision-1"), page.get_by_role("status").last
    first.get_by_role("button", name="Tag").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Tag").fill("3 wrong")
    dialog.get_by_role("button", name="Tag").click()
    expect(dialog).to_be_visible()
    dialog.get_by_role("textbox", name="Tag").fill("v1")
    dialog.get_by_role("button", name="Tag").click()
    expect(first).to_contain_text("v1")
    page.locator("#revision-2").get_by_role("button", name="Tag").click()
    dialog.get_by_role("textbox", name="Tag").fill("v1")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Move it").click()
    expect(page.locator("#revision-2")).to_contain_text("v1")
    toast.get_by_role("button", name="Undo").click()
    expect(first).to_contain_text("v1")
    page.get_by_role("button", name="Forget the tag v1").click()
    expect(toast).to_contain_text("is forgotten")
    expect(first).not_to_contain_text("v1")


def test_an_old_revision_is_compared_and_shown_again(visit: Visit, address: str) -> None:
    page = opened(visit, address, "/history")
    page.get_by_label("From").fill("1")
    page.get_by_label("to", exact=True).fill("3")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Prototypes gained: 7")).to_be_visible()
    expect(page.locator("#gained .card")).to_have_count(7)
    page.get_by_role("link", name="History").first.click()
    page.get_by_role("button", name="Roll back to 1").click()
    dialog = page.get_by_role("dialog", name="Roll back to revision 1?")
    expect(dialog).to_contain_text("7 prototypes and 3 nouns fewer")
    dialog.get_by_role("button", name="Roll back to 1").click()
    expect(page.locator("[aria-current=true]")).to_contain_text("roll back to 1")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[aria-current=true]")).to_contain_text("roll back to 3")


def test_what_another_process_writes_is_told(visit: Visit, address: str, filled: Path) -> None:
    page = opened(visit, address, "/bank/prototypes?noun=boat")
    with Bank.open(filled) as other:
        other.retire(parse_filter(["noun=boat", "contrast<3"]), "by another")
    expect(page.get_by_role("status").last).to_contain_text("The bank is at revision 4 now.")
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_role("heading", name="4 prototypes")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screens_fit_every_width_and_axe_finds_nothing(
    browser: Browser, address: str, scheme: str
) -> None:
    visit = Visit(browser, color_scheme=scheme, reduced_motion="reduce")
    for path in (
        "/bank",
        "/bank/prototypes?noun=boat",
        "/bank/prototypes?noun=boot",
        "/history",
        "/history/diff?a=1&b=3",
    ):
        page = opened(visit, address, path)
        for width in (390, 1280, 2560):
            page.set_viewport_size({"width": width, "height": 900})
            assert (path, width, overflow(page), clipped(page)) == (path, width, 0, [])
        assert violations(page) == []
        page.close()
    page = opened(visit, address, "/bank/prototypes?noun=boat")
    page.locator("#all").check()
    page.get_by_role("button", name="Retire selected").click()
    assert violations(page) == []
    visit.close()


def test_the_screens_work_without_script(browser: Browser, address: str) -> None:
    visit = Visit(browser, java_script_enabled=False)
    page = opened(visit, address, "/bank")
    page.get_by_role("searchbox").fill("oa")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("link", name="boat").click()
    page.get_by_label("Order", exact=True).select_option("contrast, lowest first")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#cards .card").first).to_contain_text("contrast 2.00")
    assert "Retiring from this page needs JavaScript" in page.locator("#content").inner_text()
    expect(page.get_by_role("button", name="Retire")).to_have_count(0)
    visit.close()
