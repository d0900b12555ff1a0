"""Who may ask, how much, and what a browser may do with the answers: for every route that there is."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from bank_copies import copy_folder, made_once
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from small_bank import make_small_bank
from starlette.testclient import TestClient
from studio_makers import BASE_URL as HERE
from studio_makers import TOKEN, opened_studio, small_networks
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from freeda_store import Bank
from freeda_studio.app import make_app
from freeda_studio.safety import HEADERS, OPEN_PATHS
from freeda_studio.settings import Access, Limits, StudioSettings
from freeda_studio.studio import Studio, studio_over

ACCESS = Access(token=TOKEN)
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
COOKIE = {"Cookie": f'freeda-8765="{TOKEN}"'}
OWN_PAGE = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
NO_PICTURE = "0" * 24


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """One for all that is refused."""
    bank = tmp_path_factory.mktemp("safety") / "bank"
    with opened_studio(
        copy_folder(made_once(tmp_path_factory, "small-bank", make_small_bank), bank)
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def app(studio: Studio) -> FastAPI:
    return make_app(studio)


@pytest.fixture
def client(bank: Path, pictures: list[Path]) -> Iterator[TestClient]:
    """A program at a studio with pictures."""
    with opened_studio(bank, *pictures) as opened, TestClient(make_app(opened), HERE) as client:
        client.headers.update(AUTHORIZED)
        yield client


@pytest.fixture
def stranger(app: FastAPI) -> Iterator[TestClient]:
    """A client that has no token."""
    with TestClient(app, base_url=HERE, follow_redirects=False, raise_server_exceptions=False) as opened:
        yield opened


def all_requests(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route, with ids filled in, and of a static file."""
    found = [("GET", "/static/talk.js"), ("GET", "/api/v1/openapi.json")]
    for route in routes_of(app):
        path = route.path.replace("{picture}", NO_PICTURE).replace("{key:path}", "0" * 64)
        while "{" in path:
            before, _, rest = path.partition("{")
            path = before + "1" + rest.partition("}")[2]
        found += [(method, path) for method in sorted(route.methods or ())]
    return found


def routes_of(app: FastAPI) -> list[APIRoute]:
    return [each.route for each in iter_route_contexts(app.routes) if isinstance(each.route, APIRoute)]


def changing(app: FastAPI) -> list[tuple[str, str]]:
    return [each for each in all_requests(app) if each[0] not in ("GET", "HEAD", "OPTIONS")]


def test_the_walk_over_routes_finds_them(app: FastAPI) -> None:
    found = all_requests(app)
    assert ("POST", "/api/v1/retire") in found
    assert ("DELETE", f"/api/v1/pictures/{NO_PICTURE}") in found
    assert ("GET", "/") in found
    assert len(changing(app)) >= 10


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "freeda-8765=wrong"}])
def test_without_the_token_only_health_is_answered(
    app: FastAPI, stranger: TestClient, headers: dict[str, str]
) -> None:
    answered = {
        path
        for method, path in all_requests(app)
        if stranger.request(method, path, headers=headers).status_code != 401
    }
    assert answered == OPEN_PATHS == {"/health"}


def test_a_wrong_token_in_an_address_opens_nothing(app: FastAPI, stranger: TestClient) -> None:
    for method, path in all_requests(app):
        if path not in OPEN_PATHS:
            answer = stranger.request(method, f"{path}?token=wrong")
            assert answer.status_code == 401
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {TOKEN}",
        f"bearer   {TOKEN}",
        "Basic " + base64.b64encode(f"anyone:{TOKEN}".encode()).decode(),
    ],
)
def test_programs_bring_the_token_as_bearer_or_as_password(stranger: TestClient, authorization: str) -> None:
    assert stranger.get("/api/v1/bank", headers={"Authorization": authorization}).status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Basic é", "Basic ====", "Basic", "Basic " + base64.b64encode(b"\xff:\xff").decode(), "x"],
)
def test_authorization_that_cannot_be_read_is_no_token(stranger: TestClient, authorization: str) -> None:
    answer = stranger.get("/api/v1/bank", headers=[(b"Authorization", authorization.encode("latin-1"))])
    assert answer.status_code == 401


def test_the_address_with_the_token_leads_to_one_without(stranger: TestClient) -> None:
    answer = stranger.get("/?token=" + TOKEN.replace(" ", "%20") + "&c=red%20car&c=tree&p=")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?c=red+car&c=tree&p="
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie  # a browser would not send it over http
    assert "Domain" not in cookie
    assert "Max-Age" not in cookie  # it goes with the browser's session
    assert stranger.get("/").status_code == 200


def test_over_tls_the_cookie_stays_there(app: FastAPI) -> None:
    with TestClient(app, base_url="https://127.0.0.1:8765", follow_redirects=False) as tls:
        assert "Secure" in tls.get("/", params={"token": TOKEN}).headers["set-cookie"]


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%2f%2fevil.example", "/%0d%0aX: y"])
def test_the_way_in_leads_nowhere_else(stranger: TestClient, path: str) -> None:
    answer = stranger.get(f"{HERE}{path}?token=" + TOKEN.replace(" ", "%20"))
    location = answer.headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert "X" not in answer.headers


def test_cookies_of_other_servers_on_this_machine_hide_nothing(stranger: TestClient) -> None:
    cookie = 'theirs={"a": [1]}; é=ü; =; ' + COOKIE["Cookie"]
    assert stranger.get("/api/v1/bank", headers=[(b"Cookie", cookie.encode("latin-1"))]).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "",
        "evil.example:8765",
        "127.0.0.1:0",
        "[",
        "127.0.0.1:x",
        "0",
    ],
)
def test_other_names_of_this_machine_are_refused(app: FastAPI, stranger: TestClient, host: str) -> None:
    for method, path in all_requests(app):
        answer = stranger.request(method, path, headers={"Host": host, **AUTHORIZED, **OWN_PAGE})
        assert answer.status_code == 421
        assert "--allow-host" in answer.json()["error"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "LOCALHOST:8765", "[::1]:8765"])
def test_own_names_are_answered(stranger: TestClient, host: str) -> None:
    assert stranger.get("/health", headers={"Host": host}).status_code == 200


def test_two_hosts_are_none(stranger: TestClient) -> None:
    both = [("Host", "127.0.0.1:8765"), ("Host", "evil.example")]
    assert stranger.get("/health", headers=both).status_code == 421


def test_a_name_that_was_allowed_is_answered_and_others_are_not(studio: Studio) -> None:
    access = replace(ACCESS, host="0.0.0.0", names=("studio.example",))
    with TestClient(make_app(replace(studio, access=access)), headers=AUTHORIZED) as client:
        assert client.get("http://studio.example/health").status_code == 200
        assert client.get("http://localhost:8765/health").status_code == 200
        assert client.get("http://0.0.0.0:8765/health").status_code == 421


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://["},
    {"Origin": "file://127.0.0.1:8765"},
    {"Origin": HERE, "Sec-Fetch-Site": "cross-site"},
    {"Origin": HERE, "Sec-Fetch-Site": "same-site"},
    {"Origin": HERE, "Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", [{}, *FOREIGN])
def test_with_the_cookie_only_own_pages_change_something(
    app: FastAPI, stranger: TestClient, headers: dict[str, str]
) -> None:
    for method, path in changing(app):
        answer = stranger.request(method, path, headers={**COOKIE, **headers})
        assert (answer.status_code, method, path) == (403, method, path)


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_from_elsewhere_change_nothing_with_remembered_credentials(
    app: FastAPI, stranger: TestClient, headers: dict[str, str]
) -> None:
    """A browser sends basic authorization by itself, once it knows it."""
    known = {"Authorization": "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()}
    for method, path in changing(app):
        assert stranger.request(method, path, headers={**known, **headers}).status_code == 403


def test_own_pages_and_programs_reach_every_route(app: FastAPI, stranger: TestClient) -> None:
    for method, path in changing(app):
        for headers in (AUTHORIZED, {**COOKIE, **OWN_PAGE}, {**AUTHORIZED, **OWN_PAGE}):
            answer = stranger.request(method, path, headers=headers)
            assert answer.status_code not in (401, 403, 405, 421, 500), (method, path)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_a_proxy_that_ends_tls_own_pages_change_something(studio: Studio, scheme: str) -> None:
    """The proxy passes on the name; whether it also says https, as uvicorn reads it, does not matter."""
    access = replace(ACCESS, names=("studio.example",))
    with TestClient(
        make_app(replace(studio, access=access)), base_url=f"{scheme}://studio.example"
    ) as client:
        headers = {**COOKIE, "Origin": "https://studio.example", "Sec-Fetch-Site": "same-origin"}
        answer = client.post("/api/v1/rollback", json={"version": 99}, headers=headers)
        assert answer.status_code == 404


def test_headers_of_a_proxy_on_this_machine_are_believed_as_uvicorn_does(studio: Studio) -> None:
    app = make_app(replace(studio, access=replace(ACCESS, names=("studio.example",))))
    behind = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts="127.0.0.1")
    for peer, secure in (("127.0.0.1", True), ("10.0.0.1", False)):
        proxy = TestClient(
            cast("Any", behind),
            "http://studio.example",
            headers={"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"},
            follow_redirects=False,
            client=(peer, 50000),
        )
        cookie = proxy.get("/", params={"token": TOKEN}).headers["set-cookie"]
        assert ("Secure" in cookie) == secure
        origins = {"https://studio.example": 404, "http://studio.example": 403 if secure else 404}
        for origin, status in origins.items():
            headers = {**COOKIE, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
            answer = proxy.post("/api/v1/rollback", json={"version": 99}, headers=headers)
            assert answer.status_code == status


def test_over_tls_a_page_without_it_changes_nothing(studio: Studio) -> None:
    access = replace(ACCESS, names=("studio.example",))
    with TestClient(make_app(replace(studio, access=access)), base_url="https://studio.example") as client:
        headers = {**COOKIE, "Origin": "http://studio.example"}
        assert client.post("/api/v1/rollback", json={"version": 99}, headers=headers).status_code == 403


def test_every_answer_binds_the_browser(app: FastAPI, stranger: TestClient) -> None:
    asked = [*all_requests(app), ("GET", "/nowhere"), ("PUT", "/"), ("GET", "/static/../app.py")]
    for method, path in asked:
        for headers in ({}, AUTHORIZED, {"Host": "evil.example"}):
            answer = stranger.request(method, path, headers=headers)
            for name in ("content-security-policy", "x-content-type-options", "x-frame-options"):
                assert answer.headers[name] == HEADERS[name], (method, path, headers)
    policy = HEADERS["content-security-policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_answers_to_what_nobody_expected_bind_the_browser_too(
    stranger: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> object:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr("freeda_studio.shelf.Shelf.all", broken)
    answer = stranger.get("/api/v1/pictures", headers=AUTHORIZED)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["error"].startswith("something unexpected went wrong (ZeroDivisionError)")
    assert answer.headers["content-security-policy"] == HEADERS["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_token_is_in_no_answer_and_no_log(
    app: FastAPI, stranger: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stranger.get("/", params={"token": TOKEN})
    for method, path in all_requests(app):
        answer = stranger.request(method, path, headers={**AUTHORIZED, **OWN_PAGE})
        assert TOKEN not in answer.text
        assert TOKEN not in str(answer.headers)
    ours = [each for each in caplog.records if not each.name.startswith(("httpx", "asyncio"))]
    assert not [each for each in ours if TOKEN in each.getMessage()]
    assert TOKEN not in repr(ACCESS)


def test_errors_are_sentences_in_json(app: FastAPI, stranger: TestClient) -> None:
    asked = [
        *((method, path, {}) for method, path in all_requests(app)),
        *((method, path, AUTHORIZED) for method, path in changing(app)),
        ("GET", "/nowhere", AUTHORIZED),
        ("PUT", "/api/v1/bank", AUTHORIZED),
        ("GET", "/static/nothing.js", AUTHORIZED),
    ]
    for method, path, headers in asked:
        answer = stranger.request(method, path, headers=headers)
        if answer.status_code >= 400:
            assert list(answer.json()) == ["error"], (method, path)
            assert answer.json()["error"]


def test_people_get_errors_as_a_page(stranger: TestClient) -> None:
    answer = stranger.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "freeda serve" in answer.text


@pytest.fixture
def strict(bank: Path, tmp_path: Path) -> Iterator[TestClient]:
    """A program at a server that takes 2000 bytes a request."""
    limits = Limits(request_bytes=2000)
    settings = StudioSettings(str(bank), state=tmp_path / "strict", limits=limits)
    with Bank.read(bank) as opened:
        app = make_app(studio_over(settings, ACCESS, opened, small_networks(opened)))
        yield TestClient(app, HERE, headers=AUTHORIZED)


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/api/v1/retire", "application/json"), ("/api/v1/pictures", "multipart/form-data; boundary=x")],
)
def test_a_request_is_limited_whether_it_says_its_length_or_not(
    strict: TestClient, path: str, kind: str
) -> None:
    head = b'--x\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body = (head if "multipart" in kind else b"") + b"[" * 4000
    told = strict.post(path, content=body, headers={"Content-Type": kind})
    untold = strict.post(path, content=iter([body[:1500], body[1500:]]), headers={"Content-Type": kind})
    for answer in (told, untold):
        assert answer.status_code == 413
        assert "a request may have" in answer.json()["error"]
    assert strict.get("/api/v1/pictures").json() == []


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999999999", "1e3"])
def test_a_length_that_is_none_is_no_way_around(strict: TestClient, length: str) -> None:
    answer = strict.post(
        "/api/v1/retire",
        content=iter([b"[" * 4000]),
        headers={"Content-Length": length, "Content-Type": "application/json"},
    )
    assert answer.status_code == 413


TRAVERSALS = [
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/app.py",
    "....//....//etc/passwd",
    "/etc/passwd",
    "%00",
    "..\\..\\app.py",
    "a" * 64 + "/../../app.py",
    "~root",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("place", TRAVERSALS)
@pytest.mark.parametrize(
    "route", ["/static/{}", "/thumbnails/{}", "/api/v1/pictures/{}/view", "/thumbnails/x?attribution={}"]
)
def test_no_name_leads_out_of_its_folder(stranger: TestClient, route: str, place: str) -> None:
    answer = stranger.get(HERE + route.format(place), headers=AUTHORIZED)
    assert 400 <= answer.status_code < 500
    assert "root:" not in answer.text
    assert "def make_app" not in answer.text


@pytest.mark.parametrize("place", ["/etc/passwd", "../photos/blue.png", "file:///etc/passwd", ""])
def test_no_path_from_a_browser_is_opened(client: TestClient, place: str) -> None:
    asked = {"picture": place, "name": "car", "whole": True}
    assert client.post("/api/v1/learn", json=asked).status_code == 404
    assert client.post("/api/v1/learn", json={**asked, "path": place}).status_code == 422


@pytest.mark.parametrize(
    "name",
    ["../../out.png", "/tmp/out.png", "..", "a\x00b.png", "é" * 300 + ".png", "<b>.png", ".hidden.png"],
)
def test_dropped_files_stay_in_the_studios_folder(
    client: TestClient, pictures: list[Path], tmp_path: Path, name: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if "state" not in path.parts}
    answer = client.post("/api/v1/pictures", files={"files": (name, pictures[0].read_bytes())})
    assert answer.status_code == 200
    assert {path for path in tmp_path.rglob("*") if "state" not in path.parts} == before
    kept = [path for path in (tmp_path / "state" / "pictures").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert "/" not in answer.json()[0]["picture"]["name"]


def test_a_picture_of_too_many_pixels_is_refused_by_its_header(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, pictures: list[Path]
) -> None:
    monkeypatch.setattr("freeda_segment.images.read_picture.__defaults__", (100,))
    answer = client.post("/api/v1/pictures", files={"files": ("large.png", pictures[0].read_bytes())})
    assert answer.status_code == 200
    assert "pixels" in answer.json()[0]["error"]
    assert len(client.get("/api/v1/pictures").json()) == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--y\r\n\r\n--y--",
        b'--x\r\ncontent-disposition: form-data; name="files"\r\n\r\nno file\r\n--x--\r\n',
        b'--x\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n' + b"h: v\r\n" * 5000,
        b'--x\r\ncontent-disposition: form-data; name="' + b"n" * 100_000 + b'"\r\n\r\n\r\n--x--\r\n',
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n1\r\n' * 2000 + b"--x--\r\n",
        b'--x\r\ncontent-disposition: form-data; name="a"\r\n\r\n' + b"1" * 2_000_000 + b"\r\n--x--\r\n",
    ],
)
def test_hostile_forms_are_refused(stranger: TestClient, body: bytes) -> None:
    headers = {**AUTHORIZED, "Content-Type": "multipart/form-data; boundary=x"}
    answer = stranger.post("/api/v1/pictures", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


def test_what_is_no_picture_is_told_of(client: TestClient) -> None:
    answer = client.post("/api/v1/pictures", files={"files": ("a.svg", b"<svg onload=alert(1)>")})
    assert "a.svg" in answer.json()[0]["error"]


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        Access(token="")
