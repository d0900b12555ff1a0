"""A rejects file takes the place of one of freeda's own and of nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from freeda_ingest.captions.records import Reject
from freeda_ingest.rejects import RejectsFile, rejects_path


def write(captions: Path) -> Path | None:
    with RejectsFile(rejects_path(captions, None), captions.name) as rejects:
        rejects.add(Reject(line=3, reason="no caption", text="{"))
        return rejects.close(complete=True)


def test_a_file_of_a_person_stays_and_the_next_name_is_taken(tmp_path: Path) -> None:
    captions = tmp_path / "captions.jsonl"
    theirs = tmp_path / "captions.jsonl.rejects.jsonl"
    for text in ('{"caption": "a corrected line"}\n', "notes", "[1]\n"):
        theirs.write_text(text)
        second = write(captions)
        assert second == tmp_path / "captions.jsonl.rejects-2.jsonl"
        assert write(captions) == second, "its own is replaced"
        assert theirs.read_text() == text
    with RejectsFile(rejects_path(captions, None), captions.name) as rejects:
        assert rejects.close(complete=True) is None
    assert second is not None
    assert not second.exists(), "a run without rejects removes that of before"
    assert theirs.exists()


def test_a_pipe_stays(tmp_path: Path) -> None:
    captions = tmp_path / "c.jsonl"
    os.mkfifo(tmp_path / "c.jsonl.rejects.jsonl")
    assert write(captions) == tmp_path / "c.jsonl.rejects-2.jsonl"


def test_ones_own_is_replaced(tmp_path: Path) -> None:
    captions = tmp_path / "c.jsonl"
    assert write(captions) == write(captions) == tmp_path / "c.jsonl.rejects.jsonl"
