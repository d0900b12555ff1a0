"""The studio as tests use it through a browser: a server, and the first screen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import uvicorn
from playwright.sync_api import Locator, Page, expect

from freeda_studio.app import make_app
from freeda_studio.serving import bind
from freeda_studio.studio import Studio

ROOT = Path(__file__).parents[1]
_FREEDA = "from freeda_cli.main import main; main()"


class Served:
    """``freeda serve`` in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        self._arguments = [str(each) for each in arguments]
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self) -> None:
        """Start it, and wait for its address."""
        own = {name: value for name, value in os.environ.items() if name != "FREEDA_TOKEN"}
        paths = os.pathsep.join(str(ROOT / each) for each in (".", "cli", "ingest"))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _FREEDA, "serve", *self._arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=own | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("http://"):
                self.address = line.strip()
                return
        raise AssertionError(f"freeda serve ended with {self._process.wait()}")

    def kill(self) -> None:
        """End it as a fault would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.communicate()
            self._process = None

    @property
    def token(self) -> str:
        """What programs must bring."""
        return self.address.partition("?token=")[2]

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.address.partition("/?")[0]


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
