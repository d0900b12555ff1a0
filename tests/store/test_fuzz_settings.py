"""Settings of profiles, and the engine's own configuration, with something wrong in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import altered, as_json, broken_bytes, fuzz, survives, toml
from hypothesis import given
from hypothesis import strategies as st

from freeda_store.hosted.opening import connect_qdrant
from freeda_store.profiles.settings import Profile, load_profile
from freeda_store.vectors.edge import read_sizes
from freeda_store.vectors.protocol import VectorSizes

PROFILE: dict[str, Any] = {
    "qdrant_url": "https://qdrant.example.org:6333",
    "sql_url": "postgresql://freeda@db.example.org:5432/freeda",
    "thumbnails": "s3://freeda-team/thumbnails",
    "timeout_seconds": 30,
    "allow_plain_http": False,
    "qdrant_api_key_env": "FREEDA_KEY",
    "proxy": "none",
}
SETTINGS = {"profiles": {"team": PROFILE}}
CONFIG = {"vectors": {"text": {"size": 8, "distance": "Cosine"}, "visual": {"size": 12, "distance": "Dot"}}}


def use(name: str) -> None:
    profile = load_profile(name)
    if isinstance(profile, Profile):
        connect_qdrant(profile).close()


def test_any_settings_file_is_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("FREEDA_SETTINGS", str(path))
    whole = toml(SETTINGS).encode()
    documents = altered(SETTINGS).filter(lambda made: isinstance(made, dict)).map(toml)
    encoded = documents.map(lambda text: text.encode(errors="surrogatepass"))

    @fuzz
    @given(st.one_of(encoded, encoded, broken_bytes(whole)))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        survives(lambda: use("team"))

    check()


def test_any_variable_is_read_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREEDA_SETTINGS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    values = st.one_of(altered(SETTINGS["profiles"]).map(as_json), st.text(max_size=30))

    @fuzz
    @given(values.filter(lambda text: "\x00" not in text and not any("\ud800" <= c < "\udc80" for c in text)))
    def check(text: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FREEDA_PROFILES", text)
            survives(lambda: use("team"))

    check()


def test_any_configuration_of_the_engine_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "edge_config.json"
    path.write_text(json.dumps(CONFIG))
    assert read_sizes(tmp_path) == VectorSizes(8, 12)

    @fuzz
    @given(altered(CONFIG).map(as_json))
    def check(text: str) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        sizes = survives(lambda: read_sizes(tmp_path))
        assert sizes is None or min(sizes.text, sizes.visual) > 0  # type: ignore[attr-defined]

    check()
