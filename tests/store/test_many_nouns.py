"""Commits of many nouns, and of what a commit that died left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from store_makers import make_generation

from freeda_store import Bank, NewGeneration
from freeda_store.writing.stores import differences


def lone(index: int) -> NewGeneration:
    """A generation whose one noun no other has."""
    made = make_generation(index, prototypes=1)
    (prototype,) = made.prototypes
    return replace(made, prototypes=(replace(prototype, noun=f"noun {index}"),))


def test_nothing_is_read_for_nouns_of_one_prototype(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[UUID] = []
    fetch = bank._stores.vectors.fetch

    def watched(ids: Sequence[UUID], **options: Any) -> Any:
        if not options.get("texts"):  # those go to the files of the revision
            read.extend(ids)
        return fetch(ids, **options)

    with bank.write("lone", "lone") as writer:
        writer.add([lone(index) for index in range(30)])
        writer.add([make_generation(100, prototypes=1), make_generation(104, prototypes=1)])
        monkeypatch.setattr(bank._stores.vectors, "fetch", watched)
        asked = count_transactions(bank, monkeypatch)
        assert writer.commit() is not None
    paired = {info.id for info in bank.infos() if not info.noun.startswith("noun ")}
    assert len({info.noun for info in bank.infos() if info.id in paired}) == 1
    assert set(read) == paired
    assert len(asked) < 30
    told = {info.id: info.scores.outlier_distance for info in bank.infos()}
    assert all((told[id_] > 0) == (id_ in paired) for id_ in told)
    assert bank.verify().ok


def count_transactions(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> list[None]:
    catalog, asked = bank._stores.catalog, list[None]()
    transaction = catalog.transaction

    def counted() -> Any:
        asked.append(None)
        return transaction()

    monkeypatch.setattr(catalog, "transaction", counted)
    return asked


def test_distances_of_a_dead_commit_are_forgotten(bank: Bank) -> None:
    writer = bank.write("lone", "lone")
    writer.add([lone(0), lone(1)])
    ids = list(bank._stores.catalog.prototype_ids(1))
    bank._stores.vectors.set_payload(ids[:1], {"outlier_distance": 0.5})
    bank._stores.catalog.set_outlier_distances(1, {0.5: ids})
    assert writer.commit() is not None
    assert [info.scores.outlier_distance for info in bank.infos()] == [0, 0]
    assert bank.verify().ok


def test_rows_and_points_that_differ(bank: Bank) -> None:
    writer = bank.write("lone", "lone")
    writer.add([lone(index) for index in range(6)])
    ids = list(bank._stores.catalog.prototype_ids(1))
    assert ids == sorted(ids)
    assert list(differences(bank._stores, 1)) == []
    lost, orphans = {ids[0], ids[5]}, {ids[1], ids[4]}
    bank._stores.vectors.delete(sorted(lost))
    bank._stores.catalog.forget_prototypes(sorted(orphans))
    expected = sorted([(id_, True) for id_ in lost] + [(id_, False) for id_ in orphans])
    assert list(differences(bank._stores, 1)) == expected


def test_a_run_whose_resumption_failed_can_be_tried_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bank.write("lone", "lone") as writer:
        writer.add([lone(0)])

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bank._stores.vectors, "scroll", fail)
        with pytest.raises(KeyboardInterrupt):
            bank.write("lone", "lone")
    with bank.write("lone", "lone") as again:
        assert again.resumed
