from __future__ import annotations

from uuid import UUID

import numpy as np

from freeda_ingest.ingestor import Ingestor
from freeda_store import Bank, Caption


def expected(bank: Bank) -> dict[UUID, float]:
    """Literally: for each prototype, the mean of the others of its noun."""
    infos = list(bank.infos())
    visuals = dict(
        zip((i.id for i in infos), bank.vectors([i.id for i in infos]).visuals.astype(float), strict=True)
    )
    distances: dict[UUID, float] = {}
    for info in infos:
        others = [visuals[other.id] for other in infos if other.noun == info.noun and other.id != info.id]
        if not others:
            distances[info.id] = 0.0
            continue
        mean, own = np.mean(others, axis=0), visuals[info.id]
        distances[info.id] = 1 - float(own @ mean / np.linalg.norm(own) / np.linalg.norm(mean))
    return distances


def test_outlier_distance_is_to_the_mean_of_the_nouns_others(bank: Bank, ingestor: Ingestor) -> None:
    ingestor.run([Caption("a car and a tree", str(index)) for index in range(9)] + [Caption("a house")])
    distances = {info.id: info.scores.outlier_distance for info in bank.infos()}
    for id_, distance in expected(bank).items():
        assert abs(distances[id_] - distance) <= 0.51e-4
    assert len({round(value, 4) for value in distances.values()}) > 3


def test_a_later_revision_counts_the_earlier_one_and_leaves_it_alone(bank: Bank, ingestor: Ingestor) -> None:
    ingestor.run([Caption("a car", str(index)) for index in range(4)])
    before = {info.id: info.scores for info in bank.infos()}
    ingestor.run([Caption("a car", "new")])
    wanted = expected(bank)
    for info in bank.infos():
        if info.id in before:
            assert info.scores == before[info.id]
        else:
            assert abs(info.scores.outlier_distance - wanted[info.id]) <= 0.51e-4
    assert bank.verify().ok
