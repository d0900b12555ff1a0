"""Some of many prototypes, in an order."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest

from freeda_store.records import PrototypeInfo, Scores
from freeda_store.views.choosing import ORDERS, alike, choose


def make_info(
    number: int, *, contrast: float = 2.0, area: float = 0.25, source: str = "coco"
) -> PrototypeInfo:
    return PrototypeInfo(
        id=UUID(int=number),
        noun="car",
        kind="noun",
        span=(0, 3),
        scores=Scores(contrast, area, clip_agreement=0.3, outlier_distance=number / 10),
        attribution_key="",
        caption="car",
        external_id="",
        source=source,
        license="",
        url="",
        seed=0,
        picture_key="",
        revision=number % 3,
    )


def numbers(infos: tuple[PrototypeInfo, ...]) -> list[int]:
    return [info.id.int for info in infos]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("-contrast", [3, 1, 2, 4]),
        ("contrast", [1, 2, 3, 4]),
        ("-outlier_distance", [4, 3, 2, 1]),
        ("-revision", [2, 1, 4, 3]),
        ("source", [4, 1, 2, 3]),
    ],
)
def test_orders_have_equal_ones_by_id_and_unscored_ones_last(order: str, expected: list[int]) -> None:
    infos = [
        make_info(2),
        make_info(3, contrast=3.0),
        make_info(4, contrast=9.0, area=0, source="a"),
        make_info(1),
    ]
    assert numbers(choose(infos, ORDERS[order], 9).infos) == expected


def test_pages_follow_each_other_and_count_all() -> None:
    def found() -> Iterator[PrototypeInfo]:
        return (make_info(number, contrast=float(number % 7 + 1)) for number in range(50))

    order = ORDERS["-contrast"]
    whole = numbers(choose(found(), order, 50).infos)
    pages = [choose(found(), order, 8, offset) for offset in range(0, 56, 8)]
    assert [number for page in pages for number in numbers(page.infos)] == whole
    assert {page.total for page in pages} == {50}
    assert pages[-1].infos == choose(found(), order, 8, 48).infos
    assert choose(found(), order, 8, 1000).infos == ()


def test_nouns_that_are_written_alike_are_found() -> None:
    assert set(alike("carr", ["tree", "car", "cart"])) == {"car", "cart"}
    assert alike("xylophone", ["tree", "car"]) == []
