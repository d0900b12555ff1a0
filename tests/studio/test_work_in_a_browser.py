"""The Work screen in a browser: progress without a reload, stop and continue, several tabs, every width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import Visit, overflow, violations
from playwright.sync_api import Browser, Page, expect
from stand_in_runner import StandInRunner, until
from studio_desk import listening

from freeda_models.presets import load_preset
from freeda_studio.studio import Studio
from freeda_studio.work.documents import Ended, RejectedRecord, Report
from freeda_studio.work.folder import WorkFolder
from freeda_studio.work.states import Place
from freeda_studio.work.works import Works

pytestmark = pytest.mark.slow


@pytest.fixture
def runner() -> StandInRunner:
    return StandInRunner()


@pytest.fixture
def works(studio: Studio, runner: StandInRunner, tmp_path: Path) -> Iterator[Works]:
    place = Place("bank", load_preset("tiny"), "cpu", 10_000_000)
    with Works(WorkFolder(tmp_path / "work"), studio.writing, runner, place) as made:
        yield made
        made.say_goodbye()
        for each in runner.started:
            each.kill()


@pytest.fixture
def address(studio: Studio, works: Works) -> Iterator[str]:
    with listening(replace(studio, works=works)) as address:
        yield address
        works.say_goodbye()


def opened(visit: Visit, address: str) -> Page:
    page = visit.page()
    page.goto(address.replace("/?", "/work?"))
    return page


def state(page: Page, name: str, wanted: str) -> None:
    expect(page.locator(f'[data-name="{name}"]')).to_have_attribute("data-state", wanted, timeout=20_000)


def test_a_person_asks_for_work_watches_it_stops_it_and_goes_on(
    visit: Visit, address: str, runner: StandInRunner
) -> None:
    page, other = opened(visit, address), opened(visit, address)
    page.bring_to_front()
    page.get_by_role("textbox", name="Concepts").fill("forklift")
    page.get_by_role("button", name="Draw them").first.click()
    heading = page.get_by_role("heading", name="forklift")
    expect(heading).to_be_focused()
    state(page, "forklift", "running")
    bar = page.get_by_role("progressbar", name="Progress of forklift")
    runner.nth(1).progress(3, 12)
    expect(bar).to_have_js_property("value", 3)
    runner.nth(1).progress(6, 12)
    expect(bar).to_have_js_property("value", 6)
    expect(page.locator("[data-shows=progress]")).to_have_text("6 of 12")
    other.bring_to_front()
    state(other, "forklift", "running")
    other.close()
    page.bring_to_front()
    page.get_by_role("button", name="Stop", exact=True).focus()
    page.keyboard.press("Enter")
    state(page, "forklift", "stopping")
    expect(heading).to_be_focused()
    runner.nth(1).end(None, interrupted=True)
    state(page, "forklift", "stopped")
    expect(page.locator("#said")).to_have_text("forklift: stopped")
    page.get_by_role("button", name="Continue").click()
    hostile = "<img src=x onerror=alert(1)>"
    rejected = (RejectedRecord(place="line 1", reason=hostile),)
    runner.nth(2).say(Ended(report=Report(revision=2, rejected=1, first_rejected=rejected)))
    state(page, "forklift", "done")
    page.get_by_text("1 could not be used").click()
    expect(page.get_by_text(hostile)).to_be_visible()
    assert page.get_by_role("link", name="2", exact=True).get_attribute("href") == "/history"
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("Nothing was asked for yet.")).to_be_visible()


def test_files_are_sent_with_their_folders_and_a_refusal_is_shown(
    visit: Visit, address: str, works: Works, runner: StandInRunner, pictures: list[Path], tmp_path: Path
) -> None:
    page = opened(visit, address)
    visit.allowed = ("Failed to load resource: the server responded with a status of 422",)
    page.get_by_label("Captions file").set_input_files(pictures[0])
    page.get_by_role("button", name="Draw them").nth(1).click()
    expect(page.get_by_role("alert")).to_contain_text("blue.png is a PNG picture, not captions")
    for picture in pictures:
        folder = tmp_path / "colours" / picture.stem
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(picture.read_bytes())
    page.get_by_label("Or a folder").set_input_files(tmp_path / "colours")
    page.get_by_role("button", name="Learn from them").click()
    state(page, "colours", "running")
    order = runner.nth(1).order
    assert sorted(str(each.relative_to(order.folder)) for each in Path(order.folder).rglob("*.png")) == [
        "pictures/colours/blue/1.png",
        "pictures/colours/green/1.png",
    ]
    expect(page.get_by_role("alert")).to_be_hidden()
    works.stop_at_once(works.all()[0].id)
    state(page, "colours", "stopped")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screen_fits_every_width_and_axe_finds_nothing(
    browser: Browser, address: str, works: Works, runner: StandInRunner, scheme: str
) -> None:
    visit = Visit(browser, color_scheme=scheme, reduced_motion="reduce")
    page = opened(visit, address)
    page.get_by_role("textbox", name="Concepts").fill("forklift, " + "x" * 60)
    page.get_by_role("button", name="Draw them").first.click()
    runner.nth(1).progress(3, 12)
    until(lambda: works.all()[0].progress is not None)
    for width in (390, 1280, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert overflow(page) == 0
        assert violations(page) == []
    visit.close()
