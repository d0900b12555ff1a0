from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from store_makers import TEXT_DIM, VISUAL_DIM, make_generation

from freeda_store import Bank, generation_key
from freeda_store.errors import BankInUseError, ThumbnailDamagedError, ThumbnailMissingError
from freeda_store.vectors.filters import PointFilter
from freeda_store.vectors.protocol import Point


@pytest.fixture
def filled(bank: Bank) -> Bank:
    with bank.write("m", "run") as writer:
        writer.add([make_generation(i) for i in range(6)])
        writer.commit()
    assert bank.verify().ok
    return bank


def stray_point(added_in: int) -> Point:
    text = np.eye(TEXT_DIM, dtype=np.float32)[0]
    return Point(uuid4(), text, np.ones(VISUAL_DIM, np.float32), {"added_in": added_in, "retired_in": []})


def test_points_without_rows(filled: Bank) -> None:
    strays = sorted([stray_point(1), stray_point(77)], key=lambda point: point.id)
    filled._stores.vectors.upsert(strays)
    report = filled.verify()
    assert not report.ok
    assert report.points_without_row == tuple(point.id for point in strays)
    assert filled.verify(repair=True).repaired
    assert filled.verify().ok
    assert len(list(filled.infos())) == 12


def test_rows_without_points_are_drawn_again(filled: Bank) -> None:
    victim = next(filled.infos())
    origin = make_generation(victim.seed)
    key = generation_key(origin.caption, origin.seed)
    filled._stores.vectors.delete([victim.id])
    shutil.rmtree(filled.address.folder / "revisions", ignore_errors=True)  # the point would come back
    report = filled.verify(repair=True)
    assert report.rows_without_point == (victim.id,)
    assert filled.verify().ok
    assert len(list(filled.infos())) == 11
    with filled.write("again", "again") as writer:
        assert writer.missing([key]) == {key}
        writer.add([origin])
        info = writer.commit()
    assert info is not None
    assert (info.prototypes_added, info.prototypes_retired) == (2, 1)
    pairs = [(found.seed, found.noun) for found in filled.infos()]
    assert len(pairs) == len(set(pairs)) == 12
    assert filled.verify().ok
    assert filled.stats().generations == 6


def test_lost_points_of_an_open_revision_are_drawn_again(bank: Bank) -> None:
    with bank.write("m", "run") as writer:
        writer.add([make_generation(i) for i in range(3)])
    victim = next(iter(bank._stores.vectors.scroll(PointFilter())))
    bank._stores.vectors.delete([victim[0]])
    bank.verify(repair=True)
    lost = make_generation(int(str(victim[1]["seed"])))
    with bank.write("m", "run") as writer:
        keys = [generation_key(make_generation(i).caption, i) for i in range(3)]
        assert writer.missing(keys) == {generation_key(lost.caption, lost.seed)}
        writer.add([make_generation(i) for i in range(3)])
        writer.commit()
    assert len(list(bank.infos())) == 6
    assert bank.verify().ok


def test_wrong_payloads(filled: Bank) -> None:
    first = next(filled.infos())
    filled._stores.vectors.set_payload([first.id], {"noun": "lie", "retired_in": [1]})
    report = filled.verify(repair=True)
    assert report.wrong_payloads == (first.id,)
    assert filled.verify().ok
    assert filled.info(first.id) == first
    assert json.loads(json.dumps(report.to_json()))["wrong_payloads"] == [str(first.id)]


def test_thumbnails(filled: Bank, folder: Path) -> None:
    first, second = list(filled.infos())[:2]
    paths = {p.stem: p for p in (folder / "thumbnails").glob("*/*.webp")}
    paths[first.attribution_key].unlink()
    paths[second.attribution_key].write_bytes(b"not what it was")
    stray = filled._stores.thumbnails.put(b"nobody refers to this")
    (folder / "thumbnails" / stray[:2] / ".x.part").write_bytes(b"half")
    with pytest.raises(ThumbnailMissingError):
        filled.thumbnail(first.attribution_key)
    with pytest.raises(ThumbnailDamagedError, match="damaged"):
        filled.thumbnail(second.attribution_key)
    report = filled.verify(repair=True)
    assert report.missing_thumbnails == (first.attribution_key,)
    assert report.damaged_thumbnails == (second.attribution_key,)
    assert report.stray_thumbnails == (stray,)
    assert not list((folder / "thumbnails").glob("*/.*.part"))
    after = filled.verify()
    assert not after.ok
    assert after.stray_thumbnails == ()


def test_leftovers_of_a_run_that_goes_on_are_no_fault(filled: Bank) -> None:
    with filled.write("m", "other") as writer:
        writer.add([make_generation(9)])
        assert writer._revision is not None
        filled._stores.vectors.upsert([stray_point(writer._revision)])
        report = filled.verify()
        assert report.ok
        assert report.leftovers == 1
        with pytest.raises(BankInUseError, match="writer is at work"):
            filled.verify(repair=True)
    filled.verify(repair=True)
    assert filled.verify().leftovers == 0
