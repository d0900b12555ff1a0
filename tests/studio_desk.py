"""The studio as tests use it through a browser: a server, and the first screen."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Locator, Page, expect

from freeda_studio.app import make_app
from freeda_studio.serving import bind
from freeda_studio.studio import Studio


@contextmanager
def listening(studio: Studio) -> Iterator[str]:
    """Answer for a studio in a thread; gives the address to open."""
    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(studio), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/?{urlencode({'token': studio.access.token})}"
    finally:
        server.should_exit = True
        thread.join()
        bound.close()


class Desk:
    """The first screen in a tab."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.legend = page.locator("#legend")
        self.chips = page.locator("#chips button")
        self.panel = page.locator("#why-body")
        self.toast = page.locator(".toast")
        self.thumbnails = page.locator("#shelf > li")

    def open(self, address: str, classes: Sequence[str] = (), wait: str = "#legend li") -> Desk:
        """Open an address, with these classes, and wait for labels or something else."""
        query = urlencode([("c", name) for name in classes])
        self.page.goto(f"{address}&{query}" if query else address)
        self.page.locator(wait).first.wait_for()
        return self

    def show(self, name: str) -> None:
        """Open a picture by its name."""
        item = self.thumbnails.filter(has_text=name)
        item.locator("button.open").click()
        item.locator("canvas").wait_for(state="attached")
        self.rest()

    def rest(self) -> None:
        """Wait until nothing is being labelled or explained."""
        for place in ("#picture", "#why"):
            expect(self.page.locator(place)).not_to_have_attribute("aria-busy", "true", timeout=20_000)

    def click(self, across: float, down: float) -> None:
        """Click a picture at shares of its width and height, and wait for the panel."""
        canvas = self.page.locator("#canvas")
        box = canvas.bounding_box()
        assert box is not None
        canvas.click(position={"x": across * box["width"], "y": down * box["height"]})
        self.panel.locator(".label").wait_for()
        self.rest()

    @property
    def explained(self) -> Locator:
        """The class that the panel tells."""
        return self.panel.locator(".label")

    @property
    def revision(self) -> int:
        """The revision that the page tells."""
        found = re.search(r"\d+$", self.page.locator("[data-shows=revision]").inner_text())
        assert found is not None
        return int(found[0])

    def learn(self, name: str) -> None:
        """Say what is under the click."""
        self.panel.locator("#teach-name").fill(name)
        self.panel.get_by_role("button", name="Learn this region").click()

    def wait_for_revision(self, number: int) -> None:
        """Wait until the page shows a revision, and its labels."""
        expect(self.page.locator("[data-shows=revision]")).to_have_text(f"revision {number}", timeout=20_000)
        self.rest()
