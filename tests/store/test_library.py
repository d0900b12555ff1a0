"""Prototypes are found by their ids in the table of all files, whatever the ids are."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from freeda_store.revisions.file import VectorFile, id_bytes
from freeda_store.revisions.library import Library
from freeda_store.vectors.protocol import VectorSizes

HALVES = st.sampled_from([0, 1, 2, 255, 2**32, 2**63, 2**64 - 1])
IDS = st.builds(lambda first, second: UUID(int=first << 64 | second), HALVES, HALVES)


def file_of(ids: list[UUID]) -> VectorFile:
    """A file that holds the place of each prototype as its visual vector."""
    ones = np.ones((1, 1), dtype=np.float32)
    return VectorFile(
        path=Path("none"),
        digest="",
        ids=id_bytes(ids),
        key_of=np.zeros(len(ids), dtype=np.int32),
        keys=ones,
        key_digests=id_bytes([UUID(int=1)]),
        visuals=np.arange(len(ids), dtype=np.float16)[:, None],
        semantics=np.empty((len(ids), 0), dtype=np.float16),
    )


@given(held=st.lists(st.lists(IDS, max_size=20, unique=True), max_size=3), asked=st.lists(IDS, max_size=20))
@settings(max_examples=200, deadline=None)
def test_ids_are_found_where_they_are_first(held: list[list[UUID]], asked: list[UUID]) -> None:
    files = [sorted(ids) for ids in held]
    library = Library.of([file_of(ids) for ids in files], VectorSizes(1, 1))
    known = sorted({id_ for ids in files for id_ in ids})
    assert library.uuids(np.arange(len(library.ids))) == known
    places = library.find(id_bytes(asked))
    assert places.tolist() == [known.index(id_) if id_ in known else -1 for id_ in asked]
    inside = places[places >= 0]
    first = {id_: ids.index(id_) for ids in reversed(files) for id_ in ids}
    expected = [first[id_] for id_ in asked if id_ in known]
    assert library.visuals(inside)[:, 0].tolist() == expected
