"""The font of what is drawn: the built-in one, unless it lacks a letter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from font_makers import write_font
from PIL import ImageFont

from freeda_store.views import fonts

BUILT_IN = "Aileron"


def name_of(font: Any) -> str:
    return str(font.getname()[0])


def test_plain_words_keep_the_built_in_font() -> None:
    assert name_of(fonts.font_for(["red car · 12 %", "a caption…"], 13)) == BUILT_IN


def test_what_cannot_be_drawn_is_known(tmp_path: Path) -> None:
    font = ImageFont.load_default(13)
    assert fonts.lacking(font, "a car\n") == 0
    assert fonts.lacking(font, "Bäume") == 1
    assert fonts.lacking(font, "木木") == 1
    own = ImageFont.truetype(write_font(tmp_path / "own.ttf", "Own", "abä"), 13)
    assert fonts.lacking(own, "ab ä") == 0
    assert fonts.lacking(own, "abc 木") == 2


def test_the_system_font_that_lacks_least_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    letters = {"Poor": "abcdö", "Rich": "abcöä", "Richer too late": "abcöäü"}
    paths = [str(write_font(tmp_path / f"{name}.ttf", name, letters[name])) for name in letters]
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", (str(tmp_path / "absent.ttf"), *paths))
    assert name_of(fonts.font_for(["cab", "cö"], 13)) == "Poor", "the first of those that lack nothing"
    assert name_of(fonts.font_for(["cab", "cä"], 13)) == "Rich"
    assert name_of(fonts.font_for(["cab", "cäü"], 13)) == "Richer too late"
    assert name_of(fonts.font_for(["cab"], 13)) == BUILT_IN
    assert name_of(fonts.font_for(["木"], 13)) == BUILT_IN, "none has it, and so none is better"


def test_what_no_font_can_draw_is_known_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sound = write_font(tmp_path / "sound.ttf", "Sound", "木森☂")
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", (str(sound),))
    assert fonts.can_draw("red car")
    assert fonts.can_draw("木 森")
    assert fonts.can_draw("☂\ufe0f"), "what says how an emoji is drawn has no shape of its own"
    assert not fonts.can_draw("木 car"), "no single font has both"
    assert not fonts.can_draw("林")
    assert fonts.drawable("☂\ufe0f") == "☂"


def test_a_file_that_is_no_font_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    sound = write_font(tmp_path / "sound.ttf", "Sound", "Bäume")
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", (str(tmp_path / "broken.ttf"), str(sound)))
    assert name_of(fonts.font_for(["Bäume"], 13)) == "Sound"


def test_without_system_fonts_the_built_in_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(fonts, "SYSTEM_FONTS", (str(tmp_path / "none.ttf"),))
    assert name_of(fonts.font_for(["Bäume"], 13)) == BUILT_IN
