"""The process of a work: what it tells, and how it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freeda_learn import new_bank
from freeda_models.presets import load_preset
from freeda_store import Bank
from freeda_studio.work.documents import (
    TOLD,
    ConceptsTask,
    Ended,
    Fact,
    Failed,
    Gone,
    Noted,
    Order,
    RejectedRecord,
    Report,
)
from freeda_studio.work.running import Message, ProcessRunner

pytestmark = pytest.mark.slow


def order(bank: Path) -> Order:
    task = ConceptsTask(names=("forklift",), images=1)
    preset = load_preset("tiny")
    return Order(bank=str(bank), preset=preset, device="cpu", folder=str(bank.parent), task=task)


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """A bank that this process writes to."""
    new_bank(tmp_path / "bank", "tiny")
    with Bank.open(tmp_path / "bank"):
        yield tmp_path / "bank"


def waiting(bank: Path, log: Path) -> tuple[Any, Iterator[Message]]:
    """A process that waits for a bank, as it has said."""
    running = ProcessRunner().start(order(bank), log)
    told = running.told()
    first = next(told)
    assert isinstance(first, Noted)
    assert first.text.startswith("waits until the bank is free")
    return running, told


def test_texts_of_any_origin_can_be_told() -> None:
    hostile = "\ud800\x1b" + "x" * 10_000
    report = Report(
        facts=(Fact(name=hostile, value=hostile),),
        notes=(hostile,),
        first_rejected=(RejectedRecord(place=hostile, reason=hostile),),
    )
    for message in (Ended(report=report), Failed(error=hostile), Noted(text=hostile)):
        line = message.model_dump_json()
        assert len(line) < 20_000
        assert TOLD.validate_json(line) == message


def test_an_error_is_told_in_its_sentence(tmp_path: Path) -> None:
    running = ProcessRunner().start(order(tmp_path / "none"), tmp_path / "log.txt")
    (message,) = running.told()
    assert isinstance(message, Failed)
    assert "none" in message.error
    assert "Traceback" in (tmp_path / "log.txt").read_text()


def test_a_process_that_waits_for_the_bank_is_stopped(busy: Path, tmp_path: Path) -> None:
    running, told = waiting(busy, tmp_path / "log.txt")
    running.stop()
    (message,) = told
    assert isinstance(message, Ended)
    assert message.report.interrupted


def test_a_process_ends_when_its_server_does(busy: Path, tmp_path: Path) -> None:
    running, told = waiting(busy, tmp_path / "log.txt")
    running._process.stdin.close()  # as the system does when it ends a server
    (message,) = told
    assert isinstance(message, Gone)


def test_a_process_that_is_killed_says_nothing_and_that_is_told(busy: Path, tmp_path: Path) -> None:
    running, told = waiting(busy, tmp_path / "log.txt")
    running.kill()
    (message,) = told
    assert isinstance(message, Gone)
    assert "SIGKILL" in message.error
