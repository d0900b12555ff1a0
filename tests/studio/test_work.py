"""Long work: its order, its states, and what is left of it when a server ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pytest
from stand_in_runner import StandInRunner, failed, until

from freeda_models.presets import load_preset
from freeda_store.errors import BankError
from freeda_studio.errors import BusyError, MissingError, ReadOnlyStudioError, RequestError
from freeda_studio.work.documents import Noted, Work, WorkState
from freeda_studio.work.folder import WorkFolder
from freeda_studio.work.inputs import CaptionsWanted, ConceptsWanted
from freeda_studio.work.states import Place
from freeda_studio.work.uploads import Upload
from freeda_studio.work.works import Works
from freeda_studio.writing import Writing


class Desk:
    """Starts and kills studios over one folder."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.path, self._stack = folder, stack
        self._folder = WorkFolder(folder)

    def start(self, refusal: str = "") -> tuple[Works, StandInRunner]:
        """What a new server has."""
        self.writing, runner = Writing("bank", refusal), StandInRunner()
        self._folder = WorkFolder(self.path)
        works = Works(self._folder, self.writing, runner, Place("bank", load_preset("tiny"), "cpu", 10_000))
        self._stack.callback(_end, works, runner)
        return works.__enter__(), runner

    def kill(self) -> None:
        """The system lets go of a killed server's files; its threads here know nothing of that."""
        self._folder.let_go()


def _end(works: Works, runner: StandInRunner) -> None:
    works.say_goodbye()
    for each in runner.started:
        each.kill()
    works.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(tmp_path / "work", stack)


def concepts(*names: str) -> ConceptsWanted:
    return ConceptsWanted(names, images=3)


def captions(text: str = "a red car\n", name: str = "captions.txt") -> CaptionsWanted:
    return CaptionsWanted([Upload(name, BytesIO(text.encode()))])


def state(works: Works, work: Work) -> WorkState:
    return works.find(work.id).state


def ended(works: Works, work: Work, wanted: WorkState) -> Work:
    until(lambda: works.find(work.id).state is wanted)
    return works.find(work.id)


def test_works_are_done_one_after_the_other_in_the_order_they_were_asked_for(desk: Desk) -> None:
    works, runner = desk.start()
    first, second = works.add(concepts("forklift")), works.add(captions())
    runner.nth(1).progress(4)
    until(lambda: works.find(first.id).progress is not None)
    assert (state(works, first), state(works, second)) == (WorkState.RUNNING, WorkState.WAITING)
    assert [work.id for work in works.all()] == [first.id, second.id]
    runner.nth(1).end(revision=7)
    assert runner.nth(2).order.task == second.task
    report = ended(works, first, WorkState.DONE).report
    assert report is not None
    assert report.revision == 7
    assert [work.id for work in works.all()] == [second.id, first.id]


def test_who_would_write_meanwhile_is_told_which_work_writes(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("forklift"))
    runner.nth(1)
    with pytest.raises(BusyError, match="The work 'forklift' is writing"), desk.writing.briefly():
        pass
    runner.nth(1).end()
    ended(works, work, WorkState.DONE)
    assert not desk.writing.holder
    with pytest.raises(BankError), desk.writing.briefly():  # there is no such bank, but one may write
        pass


def test_stop_lets_the_batch_in_hand_end_and_continue_goes_on(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(captions())
    runner.nth(1).progress(4)
    assert works.stop(work.id).state is WorkState.STOPPING
    assert works.stop(work.id).state is WorkState.STOPPING
    assert (runner.nth(1).stopped, runner.nth(1).killed) == (1, 0)
    runner.nth(1).end(revision=None, interrupted=True)
    ended(works, work, WorkState.STOPPED)
    assert (desk.path / work.id / "input" / "captions.txt").read_text() == "a red car\n"
    works.go_on(work.id)
    assert runner.nth(2).order == runner.nth(1).order
    runner.nth(2).end()
    ended(works, work, WorkState.DONE)


def test_work_that_is_through_before_it_hears_of_a_stop_is_done(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("forklift"))
    runner.nth(1)
    works.stop(work.id)
    runner.nth(1).end()
    ended(works, work, WorkState.DONE)


def test_stop_at_once_does_not_wait_for_the_batch_in_hand(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("forklift"))
    runner.nth(1)
    works.stop_at_once(work.id)
    assert not ended(works, work, WorkState.STOPPED).error
    assert runner.nth(1).killed == 1


def test_what_waits_is_stopped_without_being_begun(desk: Desk) -> None:
    works, runner = desk.start()
    first, second, third = (works.add(concepts(name)) for name in ("car", "bus", "tram"))
    runner.nth(1)
    assert works.stop(second.id).state is WorkState.STOPPED
    runner.nth(1).end()
    assert runner.nth(2).order.task == third.task
    assert state(works, first) is WorkState.DONE
    works.go_on(second.id)
    runner.nth(2).end()
    assert runner.nth(3).order.task == second.task


def test_a_failure_is_told_and_the_next_work_is_done(desk: Desk) -> None:
    works, runner = desk.start()
    first, second = works.add(concepts("car")), works.add(concepts("bus"))
    runner.nth(1).say(failed("the preset cannot draw."))
    assert ended(works, first, WorkState.FAILED).error == "the preset cannot draw."
    runner.nth(2).kill()
    assert "SIGKILL" in ended(works, second, WorkState.FAILED).error
    assert not works.go_on(first.id).error
    runner.nth(3).end()
    ended(works, first, WorkState.DONE)


def test_what_it_waits_for_is_told_until_it_goes_on(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("car"))
    runner.nth(1).say(Noted(text="waits until the bank is free"))
    until(lambda: works.find(work.id).note == "waits until the bank is free")
    runner.nth(1).progress(1)
    until(lambda: not works.find(work.id).note)


def test_a_server_started_again_goes_on_with_what_ran_and_not_with_what_a_person_stopped(desk: Desk) -> None:
    works, runner = desk.start()
    stopped, running, waiting = (works.add(concepts(name)) for name in ("car", "bus", "tram"))
    runner.nth(1)
    works.stop(stopped.id)
    desk.kill()
    again, after = desk.start()
    assert after.nth(1).order.task == running.task
    assert state(again, stopped) is WorkState.STOPPED
    desk.kill()
    again, last = desk.start()
    assert last.nth(1).order.task == running.task
    last.nth(1).end()
    assert last.nth(2).order.task == waiting.task
    last.nth(2).end()
    ended(again, waiting, WorkState.DONE)


def test_a_server_that_is_ended_in_peace_goes_on_too(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(captions())
    running = runner.nth(1)
    works.say_goodbye()
    assert running.stopped == 1
    running.end(revision=None, interrupted=True)
    works.close()
    works.close()
    again, after = desk.start()
    after.nth(1).end()
    ended(again, work, WorkState.DONE)


def test_two_studios_of_one_folder_do_a_work_once(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("car"))
    runner.nth(1)
    other, idle = desk.start()
    assert "Another studio" in other.refusal()
    assert [each.id for each in other.all()] == [work.id]
    with pytest.raises(ReadOnlyStudioError, match="Another studio"):
        other.stop(work.id)
    runner.nth(1).end()
    works.close()
    assert not other.refusal()
    other.add(concepts("bus"))
    idle.nth(1)
    assert len(runner.started) == 1


def test_a_read_only_studio_shows_works_and_does_none(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("car"))
    runner.nth(1)
    desk.kill()
    shown, idle = desk.start(refusal="This studio was started with --read-only.")
    assert shown.find(work.id).name == "car"
    for ask in (shown.stop, shown.stop_at_once, shown.go_on, shown.forget):
        with pytest.raises(ReadOnlyStudioError, match="--read-only"):
            ask(work.id)
    with pytest.raises(ReadOnlyStudioError):
        shown.add(concepts("bus"))
    assert not idle.started


def test_a_studio_that_is_only_looked_at_makes_no_folder(desk: Desk) -> None:
    works, _ = desk.start()
    assert works.all() == []
    assert not desk.path.exists()


def test_what_has_ended_is_forgotten_with_what_was_sent_and_nothing_else_is(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(captions())
    runner.nth(1)
    with pytest.raises(RequestError, match="stop it before"):
        works.forget(work.id)
    works.stop_at_once(work.id)
    ended(works, work, WorkState.STOPPED)
    works.forget(work.id)
    assert not (desk.path / work.id).exists()
    with pytest.raises(MissingError):
        works.find(work.id)


def test_what_was_sent_is_removed_when_it_is_done_and_what_was_rejected_stays(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(captions())
    running = runner.nth(1)
    folder = desk.path / work.id / "input"
    (folder / "captions.txt.rejects.jsonl").write_text("{}\n")
    running.end()
    ended(works, work, WorkState.DONE)
    assert [path.name for path in folder.iterdir()] == ["captions.txt.rejects.jsonl"]
    with pytest.raises(RequestError, match="is done"):
        works.go_on(work.id)


def test_a_document_that_is_damaged_is_left_alone_and_what_was_half_sent_is_removed(desk: Desk) -> None:
    works, runner = desk.start()
    work = works.add(concepts("car"))
    runner.nth(1).end()
    ended(works, work, WorkState.DONE)
    desk.kill()
    damaged, half = desk.path / ("0" * 16), desk.path / ("1" * 16) / "input"
    damaged.mkdir()
    (damaged / "work.json").write_text(json.dumps({"id": "0" * 16, "name": "hostile"}))
    half.mkdir(parents=True)
    (half / "captions.txt").write_text("a car")
    again, _ = desk.start()
    assert [each.id for each in again.all()] == [work.id]
    assert (damaged / "work.json").exists()
    assert not half.parent.exists()


def test_no_secret_and_no_token_stands_in_a_document(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_TOKEN", "a-secret")
    monkeypatch.setenv("QDRANT_API_KEY", "a-secret")
    works, _ = desk.start()
    work = works.add(concepts("car"))
    assert "secret" not in (desk.path / work.id / "work.json").read_text()


def test_a_disk_that_is_full_is_told_and_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    works, _ = desk.start()
    done = works.add(concepts("car"))

    def full(self: WorkFolder, work: Work) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(WorkFolder, "keep", full)
    with pytest.raises(OSError, match="No space"):
        works.add(captions())
    assert [path.name for path in desk.path.iterdir() if path.is_dir()] == [done.id]
