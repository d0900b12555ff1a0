from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from segment_fakes import (
    COLOURS,
    FakeBackbone,
    FakeBank,
    FakeClip,
    colour_feature,
    colour_generation,
    fake_manifest,
    small_settings,
    striped_picture,
)

from freeda_segment.correcting import retire_and_compare
from freeda_segment.errors import NoPrototypesError, OptionError
from freeda_segment.explain.explanation import explain_pixels
from freeda_segment.images import Picture
from freeda_segment.outputs.explanation_json import explanation_document
from freeda_segment.outputs.explanation_page import ExplanationPage
from freeda_segment.pixels.background import Background
from freeda_segment.regions.superpixels import parse_superpixels
from freeda_segment.result import RegionPlace
from freeda_segment.segmenter import Segmenter
from freeda_store import Bank, Caption
from freeda_store.errors import PrototypeMissingError, ReadOnlyViewError


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Three prototypes a colour, and one that is called green and looks blue, three times as strong."""
    with Bank.open(tmp_path / "bank", create=fake_manifest()) as opened:
        with opened.write("colours", "run") as writer:
            writer.add([colour_generation(name, number) for name in COLOURS for number in range(3)])
            good = colour_generation("green", 9)
            (prototype,) = good.prototypes
            wrong = replace(prototype, visual=colour_feature(COLOURS["blue"]) * 9)
            writer.add([replace(good, caption=Caption("a <green> thing"), prototypes=(wrong,))])
            writer.commit()
        yield opened


@pytest.fixture
def segmenter(bank: Bank) -> Segmenter:
    return Segmenter(bank, FakeClip(), FakeBackbone(), settings=small_settings(k=4))


def bad_id(bank: Bank) -> UUID:
    return next(each.id for each in bank.infos() if "<green>" in each.caption)


def test_scores_are_those_that_gave_the_labels(segmenter: Segmenter) -> None:
    picture = striped_picture(["red", "blue"], 40, 90)
    made = segmenter.with_settings(k=3).segment(picture, "red,blue,yellow", keep_evidence=True)
    assert len(made.request.windows) > 1
    whole = np.ones(made.region_map.shape, bool)
    place = made.region_at(3, 3)
    everything = explain_pixels(made, place, whole, None, 3)
    assert everything.area == 1
    region = made.explain(place)
    assert (region.label_name, region.best.name) == ("red", "red")
    assert region.margin is not None
    assert region.margin > 0
    assert region.best.score == pytest.approx(0.8 * region.best.local + 0.2 * region.best.global_score)
    left, top, right, bottom = region.box_xyxy
    inside = made.scores[top + 2 : bottom - 2, left + 2 : max(left + 3, right - 4)]
    assert region.best.score == pytest.approx(float(inside.mean()), abs=0.03)


def test_mean_scores_equal_pixel_scores_for_single_pixels(segmenter: Segmenter) -> None:
    alone = segmenter.with_settings(superpixels=parse_superpixels("none"), shorter_side=32)
    made = alone.segment(striped_picture(["red", "blue"], 32, 48), "red,blue", keep_evidence=True)
    for x, y in ((0, 0), (47, 31), (20, 10), (30, 5)):
        found = made.explain_at(x, y)
        assert found.place.label == -1
        assert found.best.score == pytest.approx(float(made.scores[y, x]), abs=1e-5)
        assert found.label == found.best.index
    with pytest.raises(OptionError, match="explain_at a pixel"):
        made.explain(RegionPlace(0, -1))
    with pytest.raises(OptionError, match="no region"):
        made.explain(RegionPlace(99, 0))


def test_a_result_without_evidence_says_how_to_get_it(segmenter: Segmenter, bank: Bank) -> None:
    made = segmenter.segment(striped_picture(["red"], 20, 20), "red")
    assert made.region_at(5, 5).label >= 0
    ways: list[Callable[[], object]] = [
        lambda: made.explain_at(5, 5, bank),
        lambda: made.explain(made.region_at(5, 5)),
    ]
    for explain in ways:
        with pytest.raises(OptionError, match="segment the picture again with keep_evidence=True"):
            explain()


def test_a_bank_that_cannot_retire_is_refused() -> None:
    segmenter = Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
    encoded = segmenter.encode(striped_picture(["red"], 20, 20))
    with pytest.raises(OptionError, match="cannot retire prototypes; open it with"):
        retire_and_compare(segmenter, encoded, "red", [UUID(int=1)])


def test_the_bank_tells_which_prototypes_look_alike(segmenter: Segmenter, bank: Bank) -> None:
    made = segmenter.segment(striped_picture(["blue"], 30, 30), "green,red", keep_evidence=True)
    found = made.explain_at(15, 15, bank)
    assert found.best.name == "green"
    assert found.best.prototypes[0].info.id == bad_id(bank)
    assert found.best.prototypes[0].likeness == pytest.approx(1, abs=0.01)
    assert made.explain_at(15, 15).best.prototypes[0].likeness is None
    assert made.explain_at(15, 15, bank, shown=2).best.total == 4
    assert len(made.explain_at(15, 15, bank, shown=2).best.prototypes) == 2


def test_one_class_has_no_runner_up_and_background_has_no_name(segmenter: Segmenter) -> None:
    chosen = segmenter.with_settings(background=Background(threshold=1.0))
    found = chosen.segment(striped_picture(["red"], 20, 20), "red", keep_evidence=True).explain_at(5, 5)
    assert (found.runner_up, found.margin) == (None, None)
    assert (found.label, found.label_name, found.best.name) == (-1, "", "red")


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (300, 40)])
def test_any_size(segmenter: Segmenter, bank: Bank, size: tuple[int, int]) -> None:
    made = segmenter.segment(striped_picture(["red"], *size), "red,blue", keep_evidence=True)
    (pixel,) = made.largest_regions(5)
    found = made.explain_at(*pixel, bank)
    assert found.label_name == "red"
    with pytest.raises(OptionError, match="outside"):
        made.explain_at(size[1], 0)


def test_retiring_a_bad_prototype_changes_the_labels(segmenter: Segmenter, bank: Bank) -> None:
    picture = striped_picture(["blue", "red"], 32, 64)
    encoded = segmenter.encode(picture)
    wrong = bad_id(bank)
    done = retire_and_compare(segmenter, encoded, "green,yellow,red", [wrong, wrong], "it is blue")
    assert (done.before.provenance.revision, done.after.provenance.revision) == (1, 2)
    assert done.used == done.retired == (wrong,)
    assert bank.revisions()[-1].message == "it is blue"
    before, after = (each.explain_at(5, 5, bank) for each in (done.before, done.after))
    assert before.best.name == "green"
    assert wrong not in {each.info.id for each in after.best.prototypes}
    assert after.best.score < before.best.score
    assert done.changed_area == float((done.before.labels != done.after.labels).mean())


def test_nothing_is_retired_when_it_cannot_be(segmenter: Segmenter, bank: Bank, tmp_path: Path) -> None:
    encoded = segmenter.encode(striped_picture(["red"], 20, 20))
    every = [each.id for each in bank.infos()]
    with pytest.raises(NoPrototypesError, match="would leave 'red' without"):
        retire_and_compare(segmenter, encoded, "red", every)
    with pytest.raises(PrototypeMissingError):
        retire_and_compare(segmenter, encoded, "red", [UUID(int=1)])
    assert len(bank.revisions()) == 1
    bank.close()
    with Bank.open(f"{tmp_path / 'bank'}@1") as old:
        pinned = Segmenter(old, FakeClip(), FakeBackbone(), settings=small_settings())
        with pytest.raises(ReadOnlyViewError):
            retire_and_compare(pinned, encoded, "red", every[:1])


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str | None] = []

    def handle_starttag(self, tag: Any, attrs: Any) -> None:
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]


def test_the_page_is_self_contained_and_escaped(segmenter: Segmenter, bank: Bank) -> None:
    picture = Picture(striped_picture(["blue", "red"], 32, 64), (32, 64), '<img src="x">')
    encoded = segmenter.encode(picture)
    wrong = bad_id(bank)
    done = retire_and_compare(segmenter, encoded, "green|<script>x</script>,<u>red,red", [wrong])
    before = [done.before.explain_at(x, 5, bank) for x in (5, 60)]
    after = [done.after.explain_at(x, 5, bank) for x in (5, 60)]
    page = ExplanationPage(done.before, before, [(5, 5), (60, 5)], bank, done, after).render()
    links = Links()
    links.feed(page)
    assert not links.tags & {"link", "iframe", "u", "green"}
    assert page.count("<script") == 1, "the page's own"
    assert len(links.sources) > 1
    kinds = {str(source).split(";base64,")[0] for source in links.sources}
    assert kinds == {"#content", "./index.html", "data:image/webp"}
    assert "a &lt;green&gt; thing" in page
    assert str(wrong) in page
    document = json.loads(json.dumps(explanation_document("p", done.before, before, done, after)))
    assert document["retired"]["ids"] == [str(wrong)]
    first = document["regions"][0]["best"]["prototypes"][0]
    assert (first["id"], first["picture_key"]) == (str(wrong), bank.info(wrong).picture_key)
    assert first["revision"] == 1
    assert document["regions"][0]["runner_up"]["score"] <= document["regions"][0]["best"]["score"]


def test_a_lost_thumbnail_is_told(segmenter: Segmenter, bank: Bank, tmp_path: Path) -> None:
    made = segmenter.segment(striped_picture(["red"], 20, 20), "red", keep_evidence=True)
    for file in (tmp_path / "bank" / "thumbnails").glob("*/*.webp"):
        file.unlink()
    page = ExplanationPage(made, [made.explain_at(1, 1, bank)], [(1, 1)], bank).render()
    assert "picture missing" in page
