"""A copy shows what its source shows at every revision, whatever the history and however often it is made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from bank_copies import copy_folder
from hosted_makers import Team
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sharing_makers import StoppingSource, assert_copied, copy_open, ingest, sink_of
from test_history import Play, step

from freeda_store import Bank
from freeda_store.sharing import reading
from freeda_store.sharing.copy import copy

steps = st.lists(
    st.one_of(step, step, step, st.tuples(st.just("copy"), st.integers(0, 3), st.none())),
    min_size=6,
    max_size=14,
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_copies_of_random_histories(steps: list[tuple[str, Any, Any]], empty_bank: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = copy_folder(empty_bank, Path(place) / "source")
        sink = copy_folder(empty_bank, Path(place) / "sink")
        check_copies(str(source), str(sink), steps, atol=0)


@pytest.mark.filterwarnings("ignore:Local mode")
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_hosted_copies_of_random_histories(
    steps: list[tuple[str, Any, Any]], empty_bank: Path, team: Team
) -> None:
    with tempfile.TemporaryDirectory() as place:
        source = copy_folder(empty_bank, Path(place) / "source")
        check_copies(str(source), team.new_bank(), steps, atol=1e-6)


def check_copies(source: str, sink: str, steps: list[tuple[str, Any, Any]], *, atol: float) -> None:
    """Play the steps in one bank; each copy step is cut short after some parts, if it has that many."""
    with pytest.MonkeyPatch.context() as patch, Bank.open(source) as mine, Bank.open(sink) as theirs:
        patch.setattr(reading, "PART_GENERATIONS", 2)
        play = Play(mine)
        for one in steps:
            if one[0] == "copy":
                copy_some(mine, theirs, parts=one[1])
            else:
                play.take(one)
        mine.tag("end", mine.revision.number) if mine.revision else None
        copy_open(mine, theirs)
        assert_copied(mine, theirs, atol=atol)
        ids = {record.id for record in theirs._history().committed_records()}
        ingest(theirs, [500], "local")
        assert theirs._history().committed_records()[-1].id > max(ids, default=0)
        assert theirs.verify().ok


def copy_some(source: Bank, sink: Bank, *, parts: int) -> None:
    try:
        copy(StoppingSource(source, parts), sink_of(sink))
    except KeyboardInterrupt:
        sink._stores.writing.clear()
        head = sink.revision.number if sink.revision else 0
        assert head <= (source.revision.number if source.revision else 0)
    assert sink.verify().ok
