"""The contact sheet of a noun."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from PIL import Image

from freeda_store.errors import PrototypeMissingError, ThumbnailMissingError
from freeda_store.records import PrototypeInfo, Scores
from freeda_store.vectors.filters import Filter, parse_filter
from freeda_store.views.contact_sheet import (
    SIDE,
    choose_prototypes,
    draw_contact_sheet,
    overlay_attribution,
    sheet_name,
)


def make_info(number: int, noun: str = "car", contrast: float = 2.0, picture: str = "red") -> PrototypeInfo:
    return PrototypeInfo(
        id=UUID(int=number),
        noun=noun,
        kind="noun",
        span=(0, 3),
        caption="a very long caption about a car " * 8,
        external_id="",
        source="",
        license="",
        url="",
        seed=1,
        scores=Scores(contrast, 0.2, 0.3, 0.1),
        picture_key=picture,
        attribution_key="left",
        revision=1,
    )


class FakeBank:
    """Filters by noun and contrast; pictures of one colour; attribution on the left half."""

    def __init__(self, *infos: PrototypeInfo) -> None:
        self._infos = infos

    def infos(self, where: Filter = Filter(), /) -> Iterator[PrototypeInfo]:  # noqa: B008
        def passes(info: PrototypeInfo) -> bool:
            nouns = [c.values for c in where.conditions if c.field == "noun"]
            least = [c.values[0] for c in where.conditions if c.field == "contrast"]
            return all(info.noun in values for values in nouns) and all(
                info.scores.contrast >= float(bound) for bound in least
            )

        return filter(passes, self._infos)

    def thumbnail(self, key: str, /) -> Image.Image:
        if key == "gone":
            raise ThumbnailMissingError("gone")
        if key == "left":
            half = np.zeros((16, 16), dtype=np.uint8)
            half[:, :8] = 255
            return Image.fromarray(half).convert("RGB")
        return Image.new("RGB", (64, 64), key)


def test_the_highest_contrast_comes_first_and_all_are_counted() -> None:
    bank = FakeBank(*(make_info(n, contrast=float(n % 5)) for n in range(10)), make_info(99, noun="tree"))
    chosen, total = choose_prototypes(bank, " car ", limit=3)
    assert total == 10
    assert [info.id.int for info in chosen] == [4, 9, 3]


def test_a_filter_narrows_the_choice() -> None:
    bank = FakeBank(make_info(1, contrast=1.0), make_info(2, contrast=3.0))
    chosen, total = choose_prototypes(bank, "car", limit=9, where=parse_filter(["contrast>=2"]))
    assert (total, chosen[0].id.int) == (1, 2)


@pytest.mark.parametrize(("noun", "hint"), [("carr", "did you mean car"), ("xylophone", "freeda bank list")])
def test_an_unknown_noun_says_what_to_do(noun: str, hint: str) -> None:
    with pytest.raises(PrototypeMissingError, match=hint):
        choose_prototypes(FakeBank(make_info(1)), noun, limit=1)


@pytest.mark.parametrize(
    ("noun", "name"),
    [("red car", "red-car.png"), ("../../etc/passwd", "etc-passwd.png"), ("...", "noun.png")],
)
def test_a_sheets_name_stays_in_its_folder(noun: str, name: str) -> None:
    assert sheet_name(noun) == name


def test_a_cell_has_the_picture_left_and_the_attribution_right() -> None:
    sheet = np.asarray(draw_contact_sheet(FakeBank(), [make_info(1, picture="#204060")])).astype(int)
    top = sheet[8 : 8 + SIDE]
    picture, overlay = top[:, 8 : 8 + SIDE], top[:, 10 + SIDE : 10 + 2 * SIDE]
    assert np.abs(picture - [0x20, 0x40, 0x60]).max() <= 1
    left, right = overlay[:, : SIDE // 3], overlay[:, -SIDE // 3 :]
    assert left.mean() > right.mean() + 40
    assert (sheet[8 + SIDE :] < 120).any(), "the caption is written beneath"


def test_rows_are_filled_and_a_lost_thumbnail_is_grey() -> None:
    infos = [make_info(n) for n in range(5)] + [make_info(9, picture="gone")]
    sheet = draw_contact_sheet(FakeBank(), infos, columns=4)
    one = draw_contact_sheet(FakeBank(), infos[:1])
    assert sheet.width > 3.8 * (one.width - 8)
    assert sheet.height > 1.8 * (one.height - 8)
    last: Any = sheet.getpixel((8 + (2 * SIDE + 2 + 8) + 5, sheet.height - one.height + 8 + 5))
    assert last == (205, 205, 205)


def test_attribution_is_seen_in_brightness_too() -> None:
    grey = np.full((1, 5, 3), 128, dtype=np.uint8)
    ramp = np.array([[0, 64, 128, 191, 255]], dtype=np.uint8)
    brightness = overlay_attribution(grey, ramp).mean(axis=2)[0]
    assert (np.diff(brightness) > 5).all()


def test_an_empty_sheet_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        draw_contact_sheet(FakeBank(), [])
