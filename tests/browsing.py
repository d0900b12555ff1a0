"""A browser for tests: Debian's Chromium. Without one they are skipped, or fail where one is required."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = os.environ.get("FREEDA_TEST_BROWSER") == "required"

_CLIPPED = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const box = each.getBoundingClientRect();
  if (!box.width || !box.height || each.closest(".visually-hidden, .skip, .thumbs, .scroll")) return false;
  return box.left < -0.5 || box.right > document.documentElement.clientWidth + 0.5;
}).map((each) => each.outerHTML.slice(0, 120))"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        told = "no Chromium here; `apt install chromium` brings one"
        pytest.fail(told) if REQUIRED else pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A person's visit to a server of this machine: a context of its own, and what went wrong in it.

    Args:
        browser: that is open.
        options: of the context, such as ``viewport`` and ``color_scheme``.

    Attributes:
        faults: what went wrong so far.
        allowed: beginnings of what the console may say.
    """

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.faults: list[str] = []
        self.allowed: tuple[str, ...] = ()
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(20_000)
        self.context.route("**/*", self._keep_here)
        self.context.on("console", lambda message: self._hear(message.type, message.text))
        self.context.on("weberror", lambda error: self.faults.append(str(error.error)))
        self.context.on("dialog", lambda dialog: self.faults.append(f"a dialog: {dialog.message}"))

    def page(self) -> Page:
        """A new tab."""
        return self.context.new_page()

    def close(self) -> None:
        """Close all tabs, and fail if anything went wrong."""
        self.context.close()
        if self.faults:
            pytest.fail("\n".join(self.faults))

    def _keep_here(self, route: Route) -> None:
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            self.faults.append(f"asked elsewhere: {route.request.url}")
            route.abort()

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(self.allowed or "\0"):
            self.faults.append(f"{kind}: {text}")


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page as it is, a line for each rule and element."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def overflow(page: Page) -> int:
    """By how many pixels a page is wider than its window."""
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return int(wider)


def clipped(page: Page) -> list[str]:
    """Elements that reach over the left or right edge of the window, but those in boxes that scroll."""
    found: list[str] = page.evaluate(_CLIPPED)
    return found
