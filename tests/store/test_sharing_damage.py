"""What is lost or damaged at the source, on the way, or at the target."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from sharing_makers import (
    assert_copied,
    copy_open,
    points_of,
    sink_of,
    source_of,
)

from freeda_store import Bank, Scores
from freeda_store.errors import (
    BankDamagedError,
)
from freeda_store.sharing.parts import Part

pytestmark = pytest.mark.usefixtures("small_parts")


def test_lost_vectors_are_told_and_nothing_counts(source: Bank, sink: Bank) -> None:
    (part, *_) = source_of(source).parts(2)
    lost = sorted(prototype.id for prototype in part.prototypes)[:2]
    source._stores.vectors.delete(lost)
    with pytest.raises(
        BankDamagedError, match=rf"source has lost .* 2 of its prototypes \(first {lost[0]}\).*repair"
    ):
        copy_open(source, sink)
    assert len(sink.revisions()) == 1
    sink._stores.writing.clear()
    shutil.rmtree(source.address.folder / "revisions")  # or they would come back from there
    source.verify(repair=True)
    copy_open(source, sink)
    assert_copied(source, sink)
    incomplete = [g for part in source_of(sink).parts(2) for g in part.generations if not g.complete]
    assert len(incomplete) in (1, 2)


def test_missing_and_damaged_thumbnails_are_counted(tmp_path: Path, source: Bank, sink: Bank) -> None:
    missing, damaged = sorted(source._stores.catalog.thumbnail_keys())[:2]
    source._stores.thumbnails.delete(missing)
    (tmp_path / "source" / "thumbnails" / damaged[:2] / f"{damaged}.webp").write_bytes(b"rubbish")
    report = copy_open(source, sink)
    assert report.missing_thumbnails >= 2
    found = sink.verify()
    assert set(found.missing_thumbnails) == {missing, damaged}


def test_a_retirement_of_what_the_sink_has_lost(source: Bank, sink: Bank) -> None:
    copy_open(source, sink)
    info = next(source.infos())
    sink._stores.vectors.delete([info.id])
    sink.verify(repair=True)
    source.retire([info.id, list(source.infos())[1].id], "two")
    copy_open(source, sink)
    assert sink.revisions() == source.revisions()
    assert list(sink.infos()) == list(source.infos())
    assert sink.verify().ok


def without(part: Part, **changes: Any) -> Part:
    """The part with its first generation, which has prototypes, changed."""
    first, *rest = part.generations
    return replace(part, generations=(replace(first, **changes), *rest))


def with_prototype(part: Part, **changes: Any) -> Part:
    first, *rest = part.generations[0].prototypes
    return without(part, prototypes=(replace(first, **changes), *rest))


BAD_SCORES = Scores(contrast=float("nan"), area=0, clip_agreement=0, outlier_distance=0)
DAMAGES: dict[str, tuple[Callable[[Part], Part], str]] = {
    "no generation": (lambda p: replace(p, generations=()), "0 generations"),
    "no order": (lambda p: replace(p, generations=p.generations[::-1]), "in no order"),
    "another seed": (lambda p: without(p, seed=999), "not that of its caption and seed"),
    "a seed that is none": (lambda p: without(p, seed=-1), "not that of its caption and seed"),
    "another id": (lambda p: with_prototype(p, id=uuid4()), "not that of its noun"),
    "another noun": (lambda p: with_prototype(p, noun="cat"), "not that of its noun"),
    "a score": (lambda p: with_prototype(p, scores=BAD_SCORES), "is not finite"),
    "a picture's key": (lambda p: without(p, picture_key="../x"), "'../x' is no thumbnail's key"),
    "a map's key": (lambda p: with_prototype(p, attribution_key="A"), "'A' is no thumbnail's key"),
    "fewer vectors": (lambda p: replace(p, texts=p.texts[1:]), r"text vectors have shape \(3, 8\)"),
    "shorter vectors": (
        lambda p: replace(p, visuals=p.visuals[:, 1:]),
        r"visual vectors have shape \(4, 11\)",
    ),
    "infinite": (lambda p: replace(p, visuals=p.visuals * np.float16("inf")), "that is not finite"),
    "not of length 1": (lambda p: replace(p, texts=p.texts * 2), "length 1"),
    "other bytes": (lambda p: replace(p, thumbnails=dict.fromkeys(p.thumbnails, b"x")), "holds other bytes"),
    "a key of nothing": (lambda p: replace(p, thumbnails={"../../x": b"x"}), "holds other bytes"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_parts_store_nothing(source: Bank, sink: Bank, damage: str) -> None:
    change, match = DAMAGES[damage]
    (part, *_) = source_of(source).parts(1)
    into, first = sink_of(sink), source_of(source).records()[0]
    into.expect([first])
    into.begin(first)
    with pytest.raises(BankDamagedError, match=match):
        into.add(change(part))
    assert points_of(sink, first.id) == []
    assert not sink._stores.catalog.has_generations(first.id)
