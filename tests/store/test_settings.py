"""The settings file, the environment over it, and no secret in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeda_store import Bank
from freeda_store.errors import BankMissingError, SettingsError
from freeda_store.profiles.settings import Profile, load_profile
from freeda_store.vectors.client import connect_qdrant

FILE = """
[profiles.team]
qdrant_url = "https://qdrant.example.org"
sql_url = "postgresql://freeda@db.example.org/freeda?sslmode=verify-full&sslkey=/etc/ssl/client.pem"
thumbnails = "s3://freeda-team/thumbnails"

[profiles.local]
qdrant_url = "http://localhost:6333"
collection = "flowers"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(FILE)
    monkeypatch.setenv("FREEDA_SETTINGS", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def profile(name: str) -> Profile:
    found = load_profile(name)
    assert found is not None
    return found


def test_profiles_of_the_file(file: Path) -> None:
    team = profile("team")
    assert (team.name, team.collection) == ("team", "team")
    assert team.thumbnails == "s3://freeda-team/thumbnails"
    assert (team.qdrant_api_key_env, team.sql_password_env) == (
        "FREEDA_QDRANT_API_KEY",
        "FREEDA_SQL_PASSWORD",
    )
    assert profile("local").collection == "flowers"
    assert load_profile("other") is None


def test_the_place_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREEDA_SETTINGS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BankMissingError, match=r"\.config/freeda/settings\.toml"):
        Bank.open("team")
    (tmp_path / ".config" / "freeda").mkdir(parents=True)
    (tmp_path / ".config" / "freeda" / "settings.toml").write_text(FILE)
    assert profile("team").collection == "team"


def test_the_environment_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_PROFILES__TEAM__QDRANT_URL", "https://other.example.org:8443")
    monkeypatch.setenv("FREEDA_PROFILES__EXTRA__QDRANT_URL", "http://localhost:6333")
    assert profile("team").qdrant_url == "https://other.example.org:8443"
    assert profile("team").sql_url.startswith("postgresql://freeda@db.example.org")
    assert profile("extra").collection == "extra"


def test_the_environment_alone_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FREEDA_SETTINGS")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("FREEDA_PROFILES__TEAM__QDRANT_URL", "http://localhost:6333")
    assert profile("team").collection == "team"


SECRET = "s3cr3t-9d41"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        (f'qdrant_api_key = "{SECRET}"', r"'profiles\.x': 'qdrant_api_key' would hold a secret.*environment"),
        (f'sql_password = "{SECRET}"', "'sql_password' would hold a secret"),
        (f'qdrant_api_key_env = "{SECRET}"', "name of an environment variable"),
        (f'sql_url = "postgresql://u:{SECRET}@h/d"', "URL holds a password or key"),
        (f'sql_url = "postgresql://u@h/d?password={SECRET}"', "URL holds a password or key"),
        (f'sql_url = "mysql://{SECRET}@h/d"', "postgresql://user@host/database"),
        (f'thumbnails = "s3://key:{SECRET}@bucket"', "URL holds a password or key"),
        (f'colection = "{SECRET}"', r"'profiles\.x\.colection' is not a known field"),
        (f'collection = "a/{SECRET}"', "expected letters, digits"),
        (f'timeout_seconds = "{SECRET}"', "valid integer"),
        ('sql_url = "postgresql://u@h/d"', "needs thumbnails too"),
        (f"broken = {SECRET}", "not valid TOML"),
    ],
)
def test_wrong_files_are_refused_without_their_values(file: Path, line: str, match: str) -> None:
    file.write_text(f'[profiles.x]\nqdrant_url = "http://localhost"\n{line}\n')
    with pytest.raises(SettingsError, match=match) as caught:
        Bank.open("x")
    error: BaseException | None = caught.value
    assert str(file) in str(error)
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    "url",
    [
        "qdrant.example.org",
        "ftp://x",
        "http://",
        "http://x:0",
        "http://x:99999",
        "http://x:port",
        "http://[x",
    ],
)
def test_wrong_urls(file: Path, url: str) -> None:
    file.write_text(f'[profiles.x]\nqdrant_url = "{url}"\n')
    with pytest.raises(SettingsError, match=r"expected http://host:port|no URL that can be read"):
        Bank.open("x")


@pytest.mark.parametrize("port", ["0", "99999", "port"])
def test_wrong_ports_of_a_database(file: Path, port: str) -> None:
    file.write_text(
        f'[profiles.x]\nqdrant_url = "http://h"\nthumbnails = "t"\nsql_url = "postgresql://u@h:{port}/d"\n'
    )
    with pytest.raises(SettingsError, match="a port from 1 to 65535"):
        Bank.open("x")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "too many digits"),
        (b'a = "caf\xe9"', "not UTF-8"),
        (b"profiles = 3", "'profiles': expected"),
        (b"[profiles]\nx = 3", "'profiles.x': expected"),
        (b'[profiles.x]\nqdrant_url = "http://h"\nthumbnails = "a\\u0000b"', "profiles.x.thumbnails"),
    ],
)
def test_files_that_hold_no_settings(file: Path, text: bytes, match: str) -> None:
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=match):
        Bank.open("x")


@pytest.mark.parametrize("value", ["[", "[" * 100_000, "3", '{"x": 3}', "9" * 5000, '{"\udcff": 1}'])
def test_variables_that_hold_no_settings(file: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("FREEDA_PROFILES", value)
    with pytest.raises(SettingsError, match="are wrong: "):
        Bank.open("x")


def test_no_home_and_no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FREEDA_SETTINGS")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BankMissingError):
        Bank.open("team")


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FREEDA_SETTINGS", str(tmp_path / "none.toml"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="is no file"):
        Bank.open("team")


@pytest.mark.parametrize("key", ["a b", "a\nb", "schlüssel"])
def test_keys_that_cannot_be_sent(file: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("FREEDA_QDRANT_API_KEY", key)
    with pytest.raises(SettingsError, match="in FREEDA_QDRANT_API_KEY holds a space") as caught:
        profile("team").api_key()
    assert key not in str(caught.value)


def test_keys_go_over_tls_only(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEDA_QDRANT_API_KEY", SECRET)
    plain = Profile(name="p", qdrant_url="http://qdrant.example.org")
    with pytest.raises(SettingsError, match="without TLS"):
        plain.api_key()
    trusted = plain.model_copy(update={"allow_plain_http": True})
    assert trusted.api_key() == SECRET
    assert profile("local").api_key() == SECRET
    monkeypatch.delenv("FREEDA_QDRANT_API_KEY")
    assert plain.api_key() is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://qdrant.example.org", "https://qdrant.example.org:443"),
        ("https://qdrant.example.org:6333", "https://qdrant.example.org:6333"),
        ("http://localhost", "http://localhost:6333"),
    ],
)
def test_ports(url: str, expected: str) -> None:
    client = connect_qdrant(Profile(name="p", collection="c", qdrant_url=url))
    assert client._client.rest_uri == expected  # type: ignore[attr-defined]
    client.close()
