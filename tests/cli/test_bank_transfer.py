"""``freeda bank push`` and ``pull`` on small real banks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from freeda_cli import progress
from freeda_store import Bank, CopyProgress


def test_push_makes_a_bank_and_brings_it_up_to_date(freeda: Any, bank: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    result = freeda("bank", "push", target, "--bank", f"{bank}@1")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{bank}@1 to {target}: revision 1, 3 prototypes, ")
    assert result.stderr == ""
    assert freeda("bank", "tag", "v1", "--bank", bank).exit_code == 0
    result = freeda("bank", "push", target, "--bank", bank)
    assert f"{bank} to {target}: revision 2, 1 prototype, " in result.stdout
    assert result.stdout.endswith(", tags v1\n")
    result = freeda("bank", "push", target, "--bank", bank)
    assert result.stdout == f"nothing new: {target} has all revisions of {bank}\n"
    logs = [freeda("bank", "log", "--bank", folder, "--json").stdout for folder in (bank, target)]
    assert logs[0] == logs[1]


def test_pull_is_push_the_other_way(freeda: Any, bank: Path, tmp_path: Path) -> None:
    result = freeda("bank", "pull", bank, "--bank", tmp_path / "copy", "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["revisions"], told["prototypes"], told["sink"]) == ([1, 2], 4, str(tmp_path / "copy"))
    with Bank.open(bank) as one, Bank.open(tmp_path / "copy") as two:
        assert list(one.infos()) == list(two.infos())


def test_what_a_person_should_know_is_told(freeda: Any, bank: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    freeda("bank", "push", target, "--bank", bank)
    freeda("bank", "tag", "v1", "--at", "1", "--bank", bank)
    freeda("bank", "tag", "v1", "--at", "2", "--bank", target)
    freeda("bank", "rollback", "1", "--bank", target)
    with Bank.open(bank) as opened:
        key = next(opened.infos()).picture_key
    result = freeda("bank", "push", target, "--bank", bank)
    assert result.exit_code == 0
    ahead, kept = result.stderr.splitlines()
    assert ahead.startswith(f"{target} is ahead by 1 revision; copy in the other direction")
    assert "tag v1 is revision 1 in" in kept
    assert f"`freeda bank tag v1 --at 1 --move --bank {target}` moves it." in kept
    (bank / "thumbnails" / key[:2] / f"{key}.webp").unlink()
    result = freeda("bank", "push", tmp_path / "third", "--bank", bank)
    assert f"1 thumbnail of {bank} could not be read" in result.stderr


def test_tags_alone_are_told(freeda: Any, bank: Path, tmp_path: Path) -> None:
    freeda("bank", "push", tmp_path / "copy", "--bank", bank)
    freeda("bank", "tag", "v1", "--bank", bank)
    result = freeda("bank", "push", tmp_path / "copy", "--bank", bank)
    assert result.stdout.endswith(f"has all revisions of {bank}; tagged v1\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("push", "{bank}", "--bank", "{bank}"), 2, "are the same bank"),
        (("push", "copy@1", "--bank", "{bank}"), 2, "give copy instead"),
        (("pull", "nowhere", "--bank", "copy"), 2, "no bank in the folder nowhere"),
        (("pull", "{bank}", "--bank", "parted"), 1, "cannot be merged"),
        (("push", "unfinished", "--bank", "{bank}"), 1, "--discard-unfinished"),
    ],
)
def test_refusals(freeda: Any, bank: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    with Bank.open(bank) as opened:
        manifest = opened.manifest
    if "parted" in arguments:
        freeda("bank", "push", "parted", "--bank", f"{bank}@1")
        freeda("bank", "prune", "--where", "noun=car", "--bank", "parted")
    if "unfinished" in arguments:
        with Bank.open("unfinished", create=manifest) as opened:
            opened._stores.catalog.open_revision("mine", "mine")
    result = freeda("bank", *(argument.format(bank=bank) for argument in arguments))
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unfinished_run_can_be_discarded(freeda: Any, bank: Path) -> None:
    with Bank.open(bank) as opened:
        manifest = opened.manifest
    with Bank.open("unfinished", create=manifest) as opened:
        opened._stores.catalog.open_revision("mine", "mine")
    result = freeda("bank", "push", "unfinished", "--bank", bank, "--discard-unfinished")
    assert result.exit_code == 0
    assert "unfinished" not in freeda("bank", "stats", "--bank", "unfinished").stdout.splitlines()[-1]


def test_ctrl_c_says_how_to_go_on(freeda: Any, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("freeda_store.sharing.transfer.copy_bank", stop)
    result = freeda("bank", "push", "copy", "--bank", bank)
    assert result.exit_code == 130
    assert "run the same command again to go on from here" in result.stderr


def test_the_bar_tells_revision_rate_and_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(force_terminal=True, width=160, record=True)
    monkeypatch.setattr("freeda_cli.console.stderr", lambda: screen)
    times = iter((10.0, 12.0))
    with progress.CopyBar("flowers", speed=progress.Speed(lambda: next(times))) as bar:
        bar(CopyProgress(3, 0, 2, 0, 0, 400, 0))
        bar(CopyProgress(3, 0, 2, 1, 100, 400, 2_500_000))
        (task,) = bar._progress.tasks
        assert task.description == "flowers: copying revision 3 (1 of 2), 2.5 MB"
        assert task.fields["status"] == "100 of 400, 50.0 a second, 6.00 s left"
        assert (task.completed, task.total) == (100, 400)
