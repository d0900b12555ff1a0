"""What commands say of a hosted bank whose server is away, and of sizes that a server does not tell."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from freeda_store import Bank
from freeda_store.views.facts import stats_facts


def test_waiting_for_a_server_is_told_once(freeda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("FREEDA_PROFILES__AWAY__QDRANT_URL", url)
    monkeypatch.setenv("FREEDA_PROFILES__AWAY__RETRY_SECONDS", "1.5")
    result = freeda("bank", "stats", "--bank", "away")
    assert result.exit_code == 1
    waiting, error = result.stderr.strip().splitlines()
    assert waiting.startswith(
        f"warning: {url} cannot be reached (connection refused); trying again for up to"
    )
    assert error.startswith(
        f"error: {url} cannot be reached (connection refused); check that Qdrant runs there"
    )
    assert error.endswith("It was tried for 1.5 s.")


def test_what_is_not_known_is_no_number(bank: Path) -> None:
    with Bank.open(bank) as opened:
        stats = opened.stats()
    assert dict(stats_facts("team", stats, None))["on disk"].count(":") == 1
    hosted = replace(stats, bytes_vectors=None, bytes_thumbnails=None, bytes_sql=9_000_000)
    told = dict(stats_facts("team", hosted, None))["on disk"]
    assert told == "vectors not known, thumbnails not known, database 9.0 MB"
    assert hosted.to_json()["bytes_vectors"] is None
