from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from rounding import assert_near
from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings, striped_picture

from freeda_segment.retrieval.lookup import Support, TextCache, TextEvidence, TextLookup
from freeda_segment.segmenter import Segmenter
from freeda_store import RevisionInfo, parse_filter


def segmenter_of(bank: Any, clip: Any = None) -> Segmenter:
    return Segmenter(bank, clip or FakeClip(), FakeBackbone(), settings=small_settings())


def assert_same(one: Any, other: Any) -> None:
    assert_near(one.vectors, other.vectors)
    assert_near(one.embeddings, other.embeddings)
    ids = [[text.ids for text in each] for each in one.support]
    assert ids == [[text.ids for text in each] for each in other.support]


def test_naming_classes_again_asks_neither_the_bank_nor_the_encoder() -> None:
    bank, clip = FakeBank(), FakeClip()
    segmenter = segmenter_of(bank, clip)
    first = segmenter.prepare("red,blue")
    calls = clip.calls
    assert_same(segmenter.prepare("red,blue"), first)
    assert (bank.queries, clip.calls) == (2, calls)


def test_only_new_classes_are_looked_up_whatever_list_they_come_in() -> None:
    bank = FakeBank()
    segmenter = segmenter_of(bank)
    segmenter.prepare("red,blue")
    mixed = segmenter.prepare("green,blue|red")
    assert bank.queries == 3
    assert_same(mixed, segmenter_of(FakeBank()).prepare("green,blue|red"))


def test_every_setting_that_shapes_prototypes_is_told_apart() -> None:
    bank = FakeBank()
    segmenter = segmenter_of(bank)
    segmenter.prepare("red")
    changes: list[dict[str, Any]] = [
        {"k": 1},
        {"where": parse_filter(["noun=green"])},
        {"similarity_threshold": 0.5},
        {"aggregation": "kmeans_max"},
        {"aggregation": "kmeans_max", "prototypes": 2},
        {"templates": "single"},
    ]
    for number, change in enumerate(changes):
        assert segmenter.with_settings(**change).prepare("red").names == ("red",)
        assert bank.queries == number + 2
    segmenter.with_settings(alpha=0.5, background=None).prepare("red")
    segmenter.with_settings(k=1).prepare("red")
    assert bank.queries == len(changes) + 1


class GrowingBank(FakeBank):
    number = 1

    @property
    def revision(self) -> RevisionInfo:
        return RevisionInfo(self.number, 3, "colours", "", "", 12, 0)


def test_a_new_revision_is_asked_anew() -> None:
    bank = GrowingBank()
    segmenter = segmenter_of(bank)
    segmenter.prepare("red")
    bank.number = 2
    segmenter.prepare("red")
    assert bank.queries == 2
    bank.number = 1
    segmenter.prepare("red")
    assert bank.queries == 2


def test_what_a_commit_interrupts_is_looked_up_again() -> None:
    bank, clip = GrowingBank(), FakeClip()
    revisions = [dataclasses.replace(bank.revision, number=number) for number in (1, 2, 2, 2)]
    told = iter(revisions)
    looked_up = TextLookup(bank, clip, clip, "none", small_settings(), lambda: next(told))(["red"])
    assert bank.queries == 2
    assert looked_up.revision == revisions[-1]


def test_a_result_names_the_revision_that_was_asked() -> None:
    bank = GrowingBank()
    segmenter = segmenter_of(bank)
    prepared = segmenter.prepare("red,blue")
    bank.number = 2
    made = segmenter.label(segmenter.encode(striped_picture(["red", "blue"], 40, 60)), prepared)
    assert made.provenance.revision == 1
    assert segmenter.provenance.revision == 2


def test_another_bank_shares_nothing() -> None:
    segmenter = segmenter_of(FakeBank())
    segmenter.prepare("red")
    other = FakeBank(nouns=("green",))
    assert segmenter.with_bank(other).prepare("red").support[0][0].infos[0].noun == "green"


NOTHING = Support("a", np.zeros(1, np.float32), (), np.zeros(0, np.float32), ())


def test_the_text_not_used_longest_is_forgotten() -> None:
    cache = TextCache(capacity=2)
    evidence = {name: TextEvidence(NOTHING.query, np.zeros((0, 1), np.float32), NOTHING) for name in "abc"}
    cache.put("a", evidence["a"])
    cache.put("b", evidence["b"])
    assert cache.get("a") is evidence["a"]
    cache.put("c", evidence["c"])
    assert cache.get("b") is None
    assert cache.get("a") is evidence["a"]
