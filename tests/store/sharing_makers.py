"""Banks to copy, and everything that two of them can be compared by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from store_makers import NOUNS, make_generation, text_key

from freeda_store import Bank, CopyReport, parse_filter
from freeda_store.sharing.bank_sink import BankSink
from freeda_store.sharing.bank_source import BankSource
from freeda_store.sharing.copy import ProgressCallback, copy
from freeda_store.sharing.parts import Part
from freeda_store.vectors.filters import PointFilter

QUERIES = np.stack([text_key(noun) for noun in NOUNS])


def source_of(bank: Bank, *, name: str = "source") -> BankSource:
    return BankSource(bank._stores, bank.manifest, name)


def sink_of(bank: Bank, *, discard_unfinished: bool = False) -> BankSink:
    return BankSink(bank._stores, "sink", discard_unfinished=discard_unfinished)


def copy_open(source: Bank, sink: Bank, progress: ProgressCallback | None = None) -> CopyReport:
    """Copy between banks that stay open."""
    return copy(source_of(source), sink_of(sink), progress)


def ingest(bank: Bank, seeds: Iterable[int], key: str) -> None:
    with bank.write(f"message of {key}", key) as writer:
        writer.add([make_generation(seed) for seed in seeds])
        assert writer.commit() is not None


def fill(bank: Bank) -> None:
    """Five revisions: two runs, a retirement, a rollback, and a run on top of it; two tags."""
    ingest(bank, range(5), "one")
    ingest(bank, range(5, 8), "two")
    bank.retire(parse_filter(["noun=boat"]), "no boats")
    bank.rollback(1)
    with bank.write("captions without nouns", "three") as writer:
        writer.add([make_generation(8, prototypes=0), make_generation(9), make_generation(5)])
        writer.commit()
    bank.tag("first", 1)
    bank.tag("v2", 5)


def at(bank: Bank, version: int | str) -> Bank:
    """A view of a version of an open bank, with its own stores."""
    return Bank(bank._stores, bank.manifest, bank.address, bank._history().resolve(version).id)


def shown(bank: Bank) -> Any:
    """All that a view shows and answers, with pictures."""
    infos = list(bank.infos())
    vectors = bank.vectors([info.id for info in infos])
    return {
        "revision": bank.revision,
        "infos": infos,
        "texts": vectors.text_keys,
        "visuals": vectors.visuals,
        "answers": [(found.ids, found.infos) for found in bank.nearest(QUERIES, k=3)],
        "pictures": [bank.thumbnail(info.picture_key).tobytes() for info in infos],
        "maps": [bank.thumbnail(info.attribution_key).tobytes() for info in infos],
    }


def assert_same(mine: Any, theirs: Any, *, atol: float = 0) -> None:
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, theirs[name], rtol=0, atol=atol)
        else:
            assert value == theirs[name], name


def assert_copied(source: Bank, sink: Bank, *, atol: float = 0) -> None:
    """Both show the same at every revision and tag, and hold the same underneath."""
    assert sink.revisions() == source.revisions()
    for revision in source.revisions():
        versions: tuple[int | str, ...] = (revision.number, *revision.tags)
        for version in versions:
            assert_same(shown(at(source, version)), shown(at(sink, version)), atol=atol)
    assert_same(underneath(source), underneath(sink), atol=atol)
    assert sink.verify().ok


def underneath(bank: Bank) -> Any:
    """Committed rows and points, without what open revisions put beside them."""
    records = bank._history().committed_records()
    source, vectors = source_of(bank), bank._stores.vectors
    parts = [part for record in records for part in source.parts(record.id)]
    ids = [prototype.id for part in parts for prototype in part.prototypes]
    return {
        "records": records,
        "generations": [generation for part in parts for generation in part.generations],
        "retirements": [source.retirements(record.id) for record in records],
        "payloads": [settled(payload, {r.id for r in records}) for payload in vectors.fetch(ids).payloads],
        "texts": np.concatenate([np.zeros((0, vectors.sizes.text)), *(part.texts for part in parts)]),
    }


def settled(payload: Any, committed: set[int]) -> dict[str, Any]:
    return {**payload, "retired_in": [id_ for id_ in payload["retired_in"] if id_ in committed]}


def points_of(bank: Bank, revision: int) -> Sequence[UUID]:
    return [id_ for id_, _ in bank._stores.vectors.scroll(PointFilter(added_in=revision))]


@contextmanager
def two_banks(first: Path, second: Path) -> Iterator[tuple[Bank, Bank]]:
    with Bank.open(first) as one, Bank.open(second) as two:
        yield one, two


class StoppingSource(BankSource):
    """Gives only so many parts, then stops as Ctrl-C does."""

    def __init__(self, bank: Bank, parts: int) -> None:
        super().__init__(bank._stores, bank.manifest, "source")
        self._left = parts

    def parts(self, revision: int, skip: int = 0) -> Iterator[Part]:
        for part in super().parts(revision, skip):
            if self._left == 0:
                raise KeyboardInterrupt
            self._left -= 1
            yield part
