"""The font of what is drawn: the built-in one, unless it lacks a letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFont

from freeda_store import fonts

BUILT_IN = "Aileron"


def name_of(font: Any) -> str:
    return str(font.getname()[0])


def test_plain_words_keep_the_built_in_font() -> None:
    assert name_of(fonts.font_for(["red car · 12 %", "a caption…"], 13)) == BUILT_IN


def test_what_cannot_be_drawn_is_known() -> None:
    font = ImageFont.load_default(13)
    assert fonts.lacking(font, "a car\n") == 0
    assert fonts.lacking(font, "Bäume") == 1
    assert fonts.lacking(font, "木木") == 1


def test_the_system_font_that_lacks_least_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    knows = {"poor.ttf": set("abc"), "rich.ttf": set("abcä")}

    class Font:
        def __init__(self, name: str) -> None:
            self.name = name

        def getname(self) -> tuple[str, str]:
            return self.name, "Regular"

    def open_font(name: str, size: float) -> Font:
        if name not in knows:
            raise OSError(name)
        return Font(name)

    def lacking(font: object, text: str) -> int:
        return len(set(text) - knows.get(getattr(font, "name", ""), set("abc")))

    monkeypatch.setattr(fonts, "SYSTEM_FONTS", ("absent.ttf", "poor.ttf", "rich.ttf"))
    monkeypatch.setattr(ImageFont, "truetype", open_font)
    monkeypatch.setattr(ImageFont, "load_default", lambda size: Font("built-in"))
    monkeypatch.setattr(fonts, "lacking", lacking)
    assert name_of(fonts.font_for(["cab", "cä"], 13)) == "rich.ttf"
    assert name_of(fonts.font_for(["cab"], 13)) == "built-in"
    assert name_of(fonts.font_for(["木"], 13)) == "built-in"


def test_without_system_fonts_the_built_in_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", (str(tmp_path / "none.ttf"),))
    assert name_of(fonts.font_for(["Bäume"], 13)) == BUILT_IN
