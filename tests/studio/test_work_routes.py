"""The Work screen and its part of the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stand_in_runner import StandInRunner, failed, until
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN

from freeda_models.presets import load_preset
from freeda_studio.app import make_app
from freeda_studio.routes.work import told_events
from freeda_studio.studio import Studio
from freeda_studio.work.documents import Ended, RejectedRecord, Report
from freeda_studio.work.folder import WorkFolder
from freeda_studio.work.states import Place
from freeda_studio.work.works import Works
from freeda_studio.writing import Writing

WORK = "/api/v1/work"
CONCEPTS = {"kind": "concepts", "names": "forklift, red forklift", "images": "3"}


@pytest.fixture
def runner() -> StandInRunner:
    return StandInRunner()


@pytest.fixture
def works(studio: Studio, runner: StandInRunner, tmp_path: Path) -> Iterator[Works]:
    made = Works(
        WorkFolder(tmp_path / "work"),
        studio.writing,
        runner,
        Place("bank", load_preset("tiny"), "cpu", 10_000_000),
    )
    with made:
        yield made
        made.say_goodbye()
        for each in runner.started:
            each.kill()


@pytest.fixture
def client(studio: Studio, works: Works) -> TestClient:
    return client_of(replace(studio, works=works))


def place_with(preset: str) -> Place:
    return Place("bank", load_preset(preset), "cpu", 10_000_000)


def client_of(studio: Studio) -> TestClient:
    return TestClient(make_app(studio), BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})


def asked(client: TestClient, **fields: str) -> dict[str, Any]:
    answer = client.post(WORK, data=CONCEPTS | fields)
    assert answer.status_code == 201, answer.text
    work: dict[str, Any] = answer.json()
    return work


def state(client: TestClient, id_: str) -> str:
    told: str = client.get(f"{WORK}/{id_}").json()["state"]
    return told


def events_in(lines: list[str]) -> list[dict[str, Any]]:
    data = [line.removeprefix("data: ") for line in "".join(lines).splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in data]


def test_work_is_asked_for_stopped_continued_and_forgotten(client: TestClient, runner: StandInRunner) -> None:
    work = asked(client, message="two\nlines")
    assert work["task"]["names"] == ["forklift", "red forklift"]
    assert work["task"]["message"] == "two lines"
    runner.nth(1).progress(2, 6)
    assert client.delete(f"{WORK}/{work['id']}").status_code == 422
    assert client.post(f"{WORK}/{work['id']}/stop").json()["told"] == "finishing the batch in hand"
    runner.nth(1).end(None, interrupted=True)
    until(lambda: state(client, work["id"]) == "stopped")
    assert client.post(f"{WORK}/{work['id']}/continue").json()["ended_for_now"] is False
    runner.nth(2)
    client.post(f"{WORK}/{work['id']}/stop-at-once")
    until(lambda: state(client, work["id"]) == "stopped")
    assert client.delete(f"{WORK}/{work['id']}").status_code == 204
    assert client.get(WORK).json() == []
    assert client.get(f"{WORK}/{work['id']}").status_code == 404


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for id_ in ("0" * 16, "%2e%2e%2f", "work.json"):
        for ask in ("", "/stop", "/stop-at-once", "/continue", "/events"):
            method = "GET" if ask in ("", "/events") else "POST"
            assert client.request(method, f"{WORK}/{id_}{ask}").status_code == 404


def test_what_cannot_be_asked_for_is_refused_in_a_sentence(client: TestClient) -> None:
    for fields in (
        {"kind": "shell"},
        {"images": "0"},
        {"images": "many"},
        {"seed": "-1"},
        {"names": ""},
        {"names": "<script>alert(1)</script>"},
        {"path": "/etc/passwd"},
        {"kind": "captions"},
        {"kind": "learning"},
    ):
        answer = client.post(WORK, data=CONCEPTS | fields)
        assert answer.status_code == 422, fields
        assert answer.json()["error"].endswith(".")
    assert client.get(WORK).json() == []


def test_captions_and_labelled_pictures_are_sent_as_files(client: TestClient, runner: StandInRunner) -> None:
    png = (Path(__file__).parents[2] / "examples" / "car-and-tree.png").read_bytes()
    answer = client.post(
        WORK,
        data={"kind": "captions", "limit": "5", "seed": "7"},
        files=[("files", ("..\\my captions.txt", b"a red car\n"))],
    )
    task = answer.json()["task"]
    assert (task["file"], task["limit"], task["seed"]) == ("my captions.txt", 5, 7)
    answer = client.post(
        WORK,
        data={"kind": "learning"},
        files=[("files", ("toys/car/1.png", png)), ("files", ("toys/tree/2.png", png))],
    )
    assert (answer.json()["name"], answer.json()["task"]["pictures"]) == ("toys", "pictures/toys")
    hostile = [("files", ("toys/../../1.png", png))]
    assert client.post(WORK, data={"kind": "learning"}, files=hostile).status_code == 422
    assert len(client.get(WORK).json()) == 2


def test_events_begin_with_the_present_state_and_end_with_the_work(
    client: TestClient, runner: StandInRunner
) -> None:
    work = asked(client)
    runner.nth(1).progress(1)
    runner.nth(1).end()
    until(lambda: state(client, work["id"]) == "done")
    answer = client.get(f"{WORK}/{work['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [each["state"] for each in events_in([answer.text])] == ["done"]


def test_several_tabs_listen_and_one_that_is_closed_disturbs_none(
    client: TestClient, works: Works, runner: StandInRunner
) -> None:
    id_ = asked(client)["id"]
    running = runner.nth(1)

    async def listened() -> list[str]:
        return [event async for event in told_events(works, id_)]

    async def tabs() -> tuple[list[str], list[str]]:
        closed = told_events(works, id_)
        first = [await anext(closed), await anext(closed)]
        assert events_in(first)[0]["state"] == "running"
        await closed.aclose()
        both = asyncio.gather(listened(), listened())
        await asyncio.sleep(0)
        running.progress(3)
        await asyncio.to_thread(until, lambda: works.find(id_).progress is not None)
        running.end(revision=9)
        return await both

    for tab in asyncio.run(tabs()):
        told = events_in(tab)
        assert told[-1]["state"] == "done"
        assert told[-1]["report"]["revision"] == 9


def test_who_listens_is_let_go_when_the_server_ends_and_when_the_work_is_forgotten(
    client: TestClient, works: Works, runner: StandInRunner
) -> None:
    first, second = asked(client)["id"], asked(client)["id"]
    runner.nth(1)

    async def listened(id_: str, then: str) -> list[str]:
        listening = told_events(works, id_)
        told = [await anext(listening), await anext(listening)]
        if then == "forget":
            works.stop(id_)
            works.forget(id_)
        else:
            works.say_goodbye()
        return told + [event async for event in listening]

    assert len(events_in(asyncio.run(listened(second, "forget")))) == 1
    assert events_in(asyncio.run(listened(first, "goodbye")))[0]["state"] == "running"


def test_the_page_says_what_became_of_works_and_escapes_what_they_say(
    client: TestClient, runner: StandInRunner
) -> None:
    id_ = asked(client)["id"]
    runner.nth(1).progress(2, 6)
    until(lambda: client.get(f"{WORK}/{id_}").json()["progress"] is not None)
    page = client.get("/work", headers={"accept": "text/html"}).text
    assert 'aria-label="Progress of forklift, red forklift" max="6" value="2"' in page
    assert page.count("<form") == 3
    assert "<script>" not in page
    assert "style=" not in page
    hostile = "<img src=x onerror=alert(1)>"
    report = Report(
        rejected=3,
        first_rejected=(RejectedRecord(place="a.txt:1", reason=hostile),),
        notes=(hostile,),
        revision=4,
    )
    runner.nth(1).say(Ended(report=report))
    until(lambda: state(client, id_) == "done")
    listed = client.get("/work/list").text
    assert "<img" not in listed
    assert listed.count("&lt;img") == 2
    assert "and 2 more" in listed
    assert '<a href="/history">4</a>' in listed


def test_the_page_says_why_work_failed(client: TestClient, runner: StandInRunner) -> None:
    id_ = asked(client)["id"]
    runner.nth(1).say(failed("the preset <draws> nothing."))
    until(lambda: state(client, id_) == "failed")
    listed = client.get("/work/list").text
    assert "the preset &lt;draws&gt; nothing." in listed
    assert 'data-act="continue"' in listed


def test_a_read_only_page_has_no_forms_and_says_why(studio: Studio, tmp_path: Path) -> None:
    writing = Writing("bank", "This studio was started with --read-only.")
    works = Works(
        WorkFolder(tmp_path / "none"), writing, StandInRunner(), Place("bank", load_preset("tiny"), "cpu", 1)
    )
    with works:
        client = client_of(replace(studio, works=works, writing=writing))
        page = client.get("/work").text
        assert "started with --read-only" in page
        assert "<form" not in page
        answer = client.post(WORK, data=CONCEPTS)
    assert answer.status_code == 403
    assert not (tmp_path / "none").exists()


def test_a_bank_of_a_preset_that_draws_nothing_learns_from_pictures_only(
    studio: Studio, tmp_path: Path
) -> None:
    folder = WorkFolder(tmp_path / "none")
    with Works(folder, studio.writing, StandInRunner(), place_with("photos")) as works:
        client = client_of(replace(studio, works=works))
        page = client.get("/work").text
        answer = client.post(WORK, data=CONCEPTS)
    assert page.count("<form") == 1
    assert "preset photos has no generator" in page
    assert answer.status_code == 422
    assert "preset photos has no generator" in answer.json()["error"]


def test_a_correction_during_work_is_refused_and_names_the_work(
    client: TestClient, studio: Studio, runner: StandInRunner
) -> None:
    asked(client)
    runner.nth(1)
    answer = client.post("/api/v1/rollback", json={"version": 1})
    assert answer.status_code == 409
    assert "The work 'forklift, red forklift' is writing" in answer.json()["error"]
    assert client.get("/api/v1/bank").json()["writing"] == "The work 'forklift, red forklift'"
