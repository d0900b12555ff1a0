"""What a person is told when a server cannot be asked: each reason has its own advice, and an address."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest
from http_stubs import Answer, free_port, make_certificate, raw_server, stub_server

from freeda_store.errors import SettingsError, StorageError
from freeda_store.profiles.settings import Profile
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import guard

HTTP2_SETTINGS = b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00\x40\x00\x00"
POSTGRES_ERROR = b"E\x00\x00\x00\x85SFATAL\x00VFATAL\x00C0A000\x00Munsupported frontend protocol\x00\x00"
PAGE = b"<!DOCTYPE html><html><head><title>Sign in &amp; go</title></head><body>no</body></html>"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def told(url: str, **values: object) -> str:
    """The line that comes of asking a server."""
    given: dict[str, object] = {"name": "p", "collection": "team", "qdrant_url": url, "retry_seconds": 0.3}
    client = connect_qdrant(Profile.model_validate(given | values))
    try:
        with pytest.raises(StorageError) as caught:
            guard("team", lambda: client.get_collection("team"))
    finally:
        client.close()
    line = str(caught.value)
    assert "\n" not in line
    assert line[0].islower() or line.startswith("http")
    assert line.endswith(".")
    return line


def test_not_reachable() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert f"{url} cannot be reached (connection refused); check that Qdrant runs there" in told(url)
    assert "no machine is known by the host's name in http://no.such.invalid:6333" in told(
        "http://no.such.invalid:6333"
    )


def test_a_proxy_that_is_not_used_is_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "http://no.such.invalid:6333"
    assert "proxy" not in told(url)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example.org:3128")
    assert told(url).endswith('unless the profile says proxy = "environment". It was tried for 0.3 s.')
    monkeypatch.setenv("NO_PROXY", "invalid")
    assert "proxy" not in told(url)
    assert "proxy" not in told(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("answer", [HTTP2_SETTINGS, POSTGRES_ERROR, b""], ids=["grpc", "postgres", "nothing"])
def test_another_programs_port(answer: bytes) -> None:
    with raw_server(answer) as place:
        line = told(f"http://{place}")
        assert f"http://{place} did not answer as a web server does" in line
        assert "Qdrant's REST port is 6333" in line
        assert "gRPC (6334)" in line


@pytest.mark.parametrize(("port", "what"), [(6334, "gRPC's port of Qdrant"), (5432, "PostgreSQL's port")])
def test_a_well_known_wrong_port_is_named(port: int, what: str) -> None:
    import httpx

    from freeda_store.vectors import words

    place = words.Place(f"http://qdrant.example.org:{port}")
    for error in (httpx.ConnectError("refused"), httpx.RemoteProtocolError("illegal status line")):
        assert f"port {port} is usually {what}" in words.failure(place, error)


def test_https_against_http() -> None:
    with stub_server() as server:
        url = server.url.replace("http:", "https:")
        assert f"{url} does not speak TLS; if Qdrant listens there, write http://" in told(url)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(
            400, b"<html>The plain HTTP request was sent to HTTPS port</html>", {"content-type": "text/html"}
        ),
        Answer(400, b"Client sent an HTTP request to an HTTPS server.\n", {"content-type": "text/plain"}),
    ],
    ids=["nginx", "go"],
)
def test_http_against_a_gateway_with_https(answer: Answer) -> None:
    with stub_server(answer) as server:
        assert told(server.url) == f"{server.url} speaks TLS; write https:// in qdrant_url."


def test_http_against_https(tmp_path: Path) -> None:
    with stub_server(tls=make_certificate(tmp_path)) as server:
        assert told(server.url).startswith(f"{server.url} speaks TLS; write https:// in qdrant_url.")


def test_a_redirect_to_https() -> None:
    with stub_server(Answer(308, b"", {"location": "https://qdrant.example.org/aliases"})) as server:
        assert "sends to https://qdrant.example.org; write that into qdrant_url" in told(server.url)


def test_another_name_in_the_certificate(tmp_path: Path) -> None:
    tls = make_certificate(tmp_path, "other.example.org", "127.0.0.9")
    with stub_server(tls=tls) as server:
        line = told(server.url.replace("http:", "https:"), ca_file=str(tls / "cert.pem"))
        assert "is not trusted" in line
        assert "use the name that the certificate is for" in line


def test_a_proxy_that_is_away_is_named() -> None:
    proxy = f"http://127.0.0.1:{free_port()}"
    line = told("https://qdrant.example.org", proxy=proxy)
    assert f"the proxy {proxy} on the way to https://qdrant.example.org cannot be reached" in line


@pytest.mark.parametrize("status", [200, 403, 404, 502])
def test_a_page_of_a_gateway(status: int) -> None:
    with stub_server(Answer(status, PAGE, {"content-type": "text/html"})) as server:
        line = told(server.url)
        assert f"status {status} with the web page 'Sign in & go'" in line
        assert server.url in line
        assert "check qdrant_url" in line


def test_something_else_that_answers_in_json() -> None:
    with stub_server(Answer(200, b'{"hello": 1}')) as server:
        line = told(server.url)
        assert server.url in line
        assert "not as Qdrant does" in line


def test_too_large_for_a_gateway() -> None:
    for headers in ({"content-type": "text/html"}, {"content-type": "application/json"}):
        with stub_server(Answer(413, b"<h1>413</h1>", headers)) as server:
            line = told(server.url)
            assert "request_bytes" in line
            assert server.url in line


def test_the_dashboards_address_is_refused_with_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from freeda_store.profiles.settings import load_settings

    file = tmp_path / "settings.toml"
    monkeypatch.setenv("FREEDA_SETTINGS", str(file))
    for end in ("/dashboard", "/dashboard/", "/dashboard#/welcome"):
        file.write_text(f'[profiles.team]\nqdrant_url = "http://localhost:6333{end}"\n')
        with pytest.raises(SettingsError, match=r"team\.qdrant_url': .*without /dashboard"):
            load_settings()


def token(expires: float) -> str:
    parts = ({"alg": "HS256"}, {"exp": int(expires), "access": "r"})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def test_an_expired_token(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Answer(401, b'{"status": {"error": "Invalid JWT: ExpiredSignature"}}')
    with stub_server(refused) as server:
        old = token(1_600_000_000)
        monkeypatch.setenv("FREEDA_QDRANT_API_KEY", old)
        line = told(server.url)
        assert "the token in FREEDA_QDRANT_API_KEY expired at 2020-09-13 12:26 UTC; ask for a new one" in line
        assert old not in line
        monkeypatch.setenv("FREEDA_QDRANT_API_KEY", token(time.time() + 3600))
        assert "set the API key" in told(server.url)
        for strange in ("a.b.c", "a.e30.c", "plain"):
            monkeypatch.setenv("FREEDA_QDRANT_API_KEY", strange)
            assert "set the API key in the variable FREEDA_QDRANT_API_KEY" in told(server.url)


def test_a_full_disk_on_the_server() -> None:
    error = "Service internal error: No space left on device: WAL buffer size exceeds available disk space"
    with stub_server(Answer(500, json.dumps({"status": {"error": error}}).encode())) as server:
        line = told(server.url)
        assert "the disk of Qdrant's server is full: free room there" in line
        assert server.url in line
