"""How requests travel: proxies, certificates, second tries."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest
from http_stubs import RESET, Answer, StubServer, forwarding_proxy, free_port, make_certificate, stub_server

from freeda_store import patience
from freeda_store.errors import SettingsError, StorageError
from freeda_store.profiles.settings import Profile
from freeda_store.vectors.client import connect_qdrant
from freeda_store.vectors.collection import collection_settings, guard
from freeda_store.vectors.protocol import VectorSizes

KEY = "key-77aa31"
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
ALIASES = Answer(body=b'{"result": {"aliases": []}, "status": "ok", "time": 0.0}')


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("FREEDA_QDRANT_API_KEY", KEY)


def profile(url: str, **values: object) -> Profile:
    given: dict[str, object] = {"name": "p", "collection": "team", "qdrant_url": url, "retry_seconds": 5}
    return Profile.model_validate(given | values)


def ask(told: Profile) -> None:
    client = connect_qdrant(told)
    try:
        guard("team", client.get_aliases)
    finally:
        client.close()


# proxies


def test_plain_http_goes_past_the_environments_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with stub_server(ALIASES) as proxy, stub_server(ALIASES) as server:
        for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        ask(profile(server.url))
        assert proxy.asked == []
        assert [asked.headers["api-key"] for asked in server.asked] == [KEY]


@pytest.mark.parametrize("setting", ["environment", "URL"])
def test_plain_http_takes_the_proxy_that_the_profile_says(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    with stub_server(ALIASES) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        ask(
            profile(
                "http://qdrant.invalid",
                proxy=proxy.url if setting == "URL" else setting,
                allow_plain_http=True,
            )
        )
        assert [asked.target for asked in proxy.asked] == ["http://qdrant.invalid:6333/aliases"]


def test_the_key_is_shown_to_no_proxy_elsewhere_unless_plain_http_is_allowed() -> None:
    told = profile("http://localhost:6333", proxy="http://proxy.example.org:3128")
    with pytest.raises(SettingsError, match=r"show its API key to the proxy proxy\.example\.org"):
        connect_qdrant(told)
    connect_qdrant(told.model_copy(update={"allow_plain_http": True})).close()


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_https_is_a_tunnel_through_the_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    refusing = Answer(403, b"<html>no</html>", {"content-type": "text/html"})
    with stub_server(refusing) as proxy:
        monkeypatch.setenv(variable, proxy.url.replace("//", "//ann:secret-pw@"))
        with pytest.raises(
            StorageError, match=r"proxy http://127\.0\.0\.1:\d+ did not let .*NO_PROXY"
        ) as caught:
            ask(profile("https://qdrant.invalid"))
        (asked,) = proxy.asked
        assert (asked.method, asked.target) == ("CONNECT", "qdrant.invalid:443")
        assert KEY not in str(asked)
        assert "secret-pw" not in str(caught.value)


def test_the_tunnel_reaches_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls = make_certificate(tmp_path / "tls")
    with stub_server(ALIASES, tls=tls) as server, forwarding_proxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        ask(profile(server.url.replace("http:", "https:"), ca_file=str(tls / "cert.pem")))
        assert [asked.headers["api-key"] for asked in server.asked] == [KEY]
        assert b"CONNECT 127.0.0.1" in proxy.seen
        assert KEY.encode() not in proxy.seen
        ask(profile(server.url.replace("http:", "https:"), ca_file=str(tls / "cert.pem"), proxy="none"))
        assert proxy.seen.count(b"CONNECT") == 1


@pytest.mark.parametrize(
    ("url", "excepted", "expected"),
    [
        ("https://[::1]:6333", "::1/128", False),
        ("https://10.1.2.3", "localhost,10.0.0.0/8", False),
        ("https://11.1.2.3", "localhost,10.0.0.0/8", True),
        ("https://qdrant.example.org", ".example.org", False),
        ("https://qdrant.example.org", "*.example.org", False),
        ("https://qdrant.example.org", "example.org", False),
        ("https://qdrantexample.org", "example.org", True),
        ("https://qdrant.example.org:444", "qdrant.example.org:443", True),
        ("https://qdrant.example.org:444", "qdrant.example.org:444", False),
        ("https://qdrant.example.org", "*", False),
        ("https://qdrant.example.org", "::1/128, ,", True),
    ],
)
def test_no_proxy_excepts(monkeypatch: pytest.MonkeyPatch, url: str, excepted: str, expected: bool) -> None:
    from freeda_store.vectors.proxies import choose_proxy

    monkeypatch.setenv("HTTPS_PROXY", "proxy.example.org:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert choose_proxy(profile(url)) == ("http://proxy.example.org:3128" if expected else None)
    connect_qdrant(profile(url)).close()


def test_socks_proxies_are_taken_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    connect_qdrant(profile("https://qdrant.invalid")).close()
    monkeypatch.setitem(sys.modules, "socksio", None)
    with pytest.raises(SettingsError, match=r"ALL_PROXY is a SOCKS proxy.*freeda\[socks\]"):
        connect_qdrant(profile("https://qdrant.invalid"))
    connect_qdrant(profile("https://qdrant.invalid", proxy="none")).close()
    monkeypatch.setenv("ALL_PROXY", "ftp://ann:secret-pw@proxy")
    with pytest.raises(SettingsError, match="ALL_PROXY is no proxy's URL") as caught:
        connect_qdrant(profile("https://qdrant.invalid"))
    assert "secret-pw" not in str(caught.value)


@pytest.mark.parametrize("value", ["http://ann:pw@proxy:1", "nonsense"])
def test_a_proxy_setting_that_cannot_be_used_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"password|expected http://host:port"):
        profile("https://qdrant.invalid", proxy=value)


# certificates


def test_certificates_come_from_the_profile_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = make_certificate(tmp_path / "tls")
    with stub_server(ALIASES, tls=tls) as server:
        url = server.url.replace("http:", "https:")
        with pytest.raises(StorageError, match=r"certificate of .* is not trusted .*ca_file.*SSL_CERT_FILE"):
            ask(profile(url))
        ask(profile(url, ca_file=str(tls / "cert.pem")))
        monkeypatch.setenv("SSL_CERT_FILE", str(tls / "cert.pem"))
        ask(profile(url))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
        with pytest.raises(SettingsError, match=r"SSL_CERT_FILE.*gone\.pem"):
            ask(profile(url))
        (tmp_path / "no.pem").write_text("nonsense")
        with pytest.raises(SettingsError, match=r"ca_file of profile 'p' names .*no\.pem"):
            ask(profile(url, ca_file=str(tmp_path / "no.pem")))


# second tries


@pytest.mark.parametrize(
    "bad",
    [
        RESET,
        Answer(429, headers={"retry-after": "0"}),
        Answer(429),
        Answer(502, b"<html>bad gateway</html>", {"content-type": "text/html"}),
        Answer(503),
        Answer(504),
    ],
    ids=["reset", "429-after", "429", "502-page", "503", "504"],
)
def test_what_may_pass_is_tried_again(bad: Answer | str, caplog: pytest.LogCaptureFixture) -> None:
    with stub_server(bad, bad, ALIASES) as server:
        ask(profile(server.url))
        assert len(server.asked) == 3
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage().count("trying again for up to") for record in lines] == [1]
    assert server.url in lines[0].getMessage()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 500])
def test_what_is_refused_is_not_tried_again(status: int) -> None:
    with stub_server(Answer(status)) as server:
        with pytest.raises(StorageError, match=server.url):
            ask(profile(server.url))
        assert len(server.asked) == 1


def test_the_server_says_when_to_come_back() -> None:
    with stub_server(Answer(429, headers={"retry-after": "1"}), ALIASES) as server:
        start = time.monotonic()
        ask(profile(server.url))
        assert time.monotonic() - start >= 1


def test_a_server_that_is_away_for_a_moment_is_waited_for() -> None:
    port, up = free_port(), threading.Event()
    servers: list[StubServer] = []

    def rise() -> None:
        time.sleep(1.5)
        with stub_server(ALIASES, port=port) as server:
            servers.append(server)
            up.wait(20)

    later = threading.Thread(target=rise)
    later.start()
    try:
        ask(profile(f"http://127.0.0.1:{port}", retry_seconds=15))
        assert len(servers[0].asked) == 1
    finally:
        up.set()
        later.join()


def test_it_gives_up_with_advice_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StorageError, match=rf"{url} cannot be reached \(connection refused\).*tried for"):
        ask(profile(url, retry_seconds=0.5))
    with pytest.raises(StorageError, match=f"{url} cannot be reached") as caught:
        ask(profile(url, retry_seconds=0))
    assert "tried" not in str(caught.value)
    with stub_server(Answer(503)) as server, pytest.raises(StorageError, match=r"503.*server's log"):
        ask(profile(server.url, retry_seconds=0.5))
    monkeypatch.setattr(patience, "FIRST_CONTACT_SECONDS", 0.3)
    start = time.monotonic()
    with pytest.raises(StorageError, match="cannot be reached"):
        ask(profile(url, retry_seconds=3000))
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("lost", [RESET, Answer(504)], ids=["reset", "504"])
def test_a_collection_whose_making_was_not_answered_is_ours(lost: Answer | str) -> None:
    exists = Answer(409, b'{"status": {"error": "Wrong input: Collection `team-1` already exists!"}}')

    def make(server: StubServer) -> None:
        client = connect_qdrant(profile(server.url))
        guard("team", lambda: client.create_collection("team-1", **collection_settings(VectorSizes(4, 6))))
        client.close()

    with stub_server(lost, exists) as server:
        make(server)
        assert [asked.method for asked in server.asked] == ["PUT", "PUT"]
    for script in ([exists], [Answer(429, headers={"retry-after": "0"}), exists]):
        with stub_server(*script) as server, pytest.raises(StorageError, match="already exists"):
            make(server)
