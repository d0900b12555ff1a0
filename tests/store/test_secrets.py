"""Neither the API key nor the SQL password comes out anywhere."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from hosted_makers import API_KEY, Team
from postgres_server import PASSWORD
from store_makers import make_generation

from freeda_store import Bank
from freeda_store.errors import BankError, StorageError
from freeda_store.profiles.settings import Profile, load_profile, load_settings
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import look

pytestmark = pytest.mark.filterwarnings("ignore:Local mode")
SECRETS = (API_KEY, PASSWORD)


def assert_clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text


def test_a_whole_life_of_a_bank_tells_no_secret(
    team: Team, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with Bank.open("team") as bank:
        with bank.write("m", "run") as writer:
            writer.add([make_generation(i) for i in range(3)])
            writer.commit()
        profile = load_profile("team")
        stores = bank._stores
        seen = [bank, stores, stores.catalog._engine, stores.catalog._engine.url, stores.publish]
        seen += [stores.commit_lock, stores.writing, bank.stats(), bank.manifest, bank.revisions()]
        seen += [profile, load_settings(), bank.address, stores.catalog, stores.vectors, stores.thumbnails]
        for thing in seen:
            assert_clean(f"{thing!r} {thing}")
        assert profile is not None
        assert_clean(profile.model_dump_json())
        assert_clean(json.dumps(bank.stats().to_json()))
        assert_clean(bank.manifest.model_dump_json())
    points, _ = team.client.scroll(team.collection, limit=100)
    assert_clean(f"{points} {look(team.client, team.collection)}")
    assert_clean(team.settings.read_text())
    assert_clean(caplog.text)
    kept = team.postgres.run(team.sql_url, "SELECT document FROM manifest")
    assert_clean(str(kept))


def refuse(profile: Profile, status: int | None) -> None:
    """Ask a server that refuses, through the real client and its real HTTP layer."""
    client = connect_qdrant(profile)
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("api-key", ""))
        if status is None:
            raise httpx.ConnectError("connection refused", request=request)
        return httpx.Response(status, json={"status": {"error": "Forbidden"}}, request=request)

    api = client._client.openapi_client.client  # type: ignore[attr-defined]
    api._client._transport = httpx.MockTransport(answer)
    api._client._mounts = {}
    try:
        look(client, "team")
    finally:
        assert sent == [API_KEY]
        client.close()


@pytest.mark.parametrize("status", [None, 401, 403, 500])
def test_errors_of_the_server_tell_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("FREEDA_QDRANT_API_KEY", API_KEY)
    url = "https://qdrant.example.org"
    profile = Profile(name="p", collection="team", qdrant_url=url, retry_seconds=0)
    with pytest.raises(StorageError, match=url) as caught:
        refuse(profile, status)
    if status in (401, 403):
        assert "read-write key" in str(caught.value)
    assert_clean("".join(traceback.format_exception(caught.value)))
    assert_clean(caplog.text)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda team: team.postgres.run(team.sql_url, "DROP TABLE tag"),
        lambda team: team.add("team", sql_url=team.sql_url + "x", thumbnails="t"),
        lambda team: team.add("team", sql_url="postgresql://freeda@127.0.0.1:1/x", thumbnails="t"),
        lambda team: team.add("team", sql_url=team.sql_url.replace("freeda@", "ann@"), thumbnails="t"),
    ],
    ids=["table", "database", "host", "user"],
)
def test_errors_of_the_database_tell_no_secret(
    team: Team,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[Team], object],
) -> None:
    monkeypatch.setattr("freeda_store.patience.FIRST_CONTACT_SECONDS", 0.5)
    caplog.set_level(logging.DEBUG)
    break_it(team)
    with pytest.raises(BankError) as caught:
        Bank.open("team")
    assert_clean("".join(traceback.format_exception(caught.value)))
    assert_clean(caplog.text)
