"""The contract of Label Studio's machine learning backends."""

from __future__ import annotations

import base64
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from starlette.testclient import TestClient
from studio_makers import BASE_URL, TOKEN

from freeda_learn.labels.label_studio import decode_brush
from freeda_store.errors import StorageError
from freeda_studio.app import make_app
from freeda_studio.engine import classes_of
from freeda_studio.errors import MissingError, RequestError
from freeda_studio.labelling.backend import LabellingBackend
from freeda_studio.labelling.config import MAX_CHARACTERS, read_config
from freeda_studio.labelling.server import LabelStudioServer
from freeda_studio.labelling.task_pictures import TaskPictures
from freeda_studio.settings import LabelStudioAccess
from freeda_studio.studio import Studio

BRUSHES = """
<View><Header value="Paint"/><Image name="img" value="$photo" zoom="true"/>
<BrushLabels name="tag" toName="img"><Label value="car"/><Label value="Gewächs" alias="tree"/></BrushLabels>
</View>"""
POLYGONS = BRUSHES.replace("BrushLabels", "PolygonLabels")
SMART = BRUSHES.replace(
    "</View>",
    '<KeyPointLabels name="kp" toName="img" smart="true"><Label value="car"/></KeyPointLabels>'
    '<RectangleLabels name="box" toName="img" smart="true"><Label value="car"/></RectangleLabels></View>',
)


def data_uri(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def predict(client: TestClient, config: str, *pictures: object, **more: object) -> list[dict[str, Any]]:
    tasks = [{"id": number, "data": {"photo": each, "text": "x"}} for number, each in enumerate(pictures)]
    asked = {"tasks": tasks, "label_config": config, "project": "1.1600000000", "model_version": None, **more}
    answer = client.post("/predict", json=asked)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(pictures)
    return results


def exact(studio: Studio, path: Path) -> NDArray[np.int16]:
    """What the studio labels the picture as, of car and Gewächs|tree."""
    shown = studio.engine.shelf.add(path.name, path.read_bytes())
    return studio.engine.segment(shown.id, classes_of(["car", "Gewächs|tree"])).labels


def test_health_is_what_label_studio_expects(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "UP", "model_class": "freeda"}


def test_a_project_is_set_up_with_the_token_as_password(studio: Studio) -> None:
    with TestClient(make_app(studio), BASE_URL) as client:
        asked = {"project": "1.16", "schema": BRUSHES, "hostname": "http://x", "access_token": "secret"}
        assert client.post("/setup", json=asked).status_code == 401
        answer = client.post("/setup", json=asked, auth=("label studio", TOKEN))
    assert answer.json() == {"model_version": studio.labelling.version, "note": ""}
    assert answer.json()["model_version"].endswith("@2")


@pytest.mark.parametrize("schema", ["", "<View/>", "<View"])
def test_a_project_whose_labels_do_not_fit_is_told_why(client: TestClient, schema: str) -> None:
    answer = client.post("/setup", json={"project": "1", "schema": schema})
    assert answer.status_code == 200
    assert answer.json()["note"]


def test_brush_strokes_are_the_exact_masks(client: TestClient, studio: Studio, pictures: list[Path]) -> None:
    labels = exact(studio, pictures[0])
    assert set(np.unique(labels)) == {0, 1}
    (prediction,) = predict(client, BRUSHES, data_uri(pictures[0]))
    assert prediction["model_version"] == studio.labelling.version
    assert prediction["error"] == ""
    assert {each["value"]["brushlabels"][0] for each in prediction["result"]} == {
        ("car", "tree")[index] for index in np.unique(labels[labels >= 0])
    }
    for region in prediction["result"]:
        assert (region["from_name"], region["to_name"], region["type"]) == ("tag", "img", "brushlabels")
        assert (region["original_width"], region["original_height"]) == (48, 40)
        assert 0 <= region["score"] <= 1
        index = ("car", "tree").index(region["value"]["brushlabels"][0])
        assert np.array_equal(decode_brush(region["value"]["rle"], (40, 48)), labels == index)
    assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])


def test_polygons_cover_the_masks(client: TestClient, studio: Studio, pictures: list[Path]) -> None:
    labels = exact(studio, pictures[1])
    (prediction,) = predict(client, POLYGONS, data_uri(pictures[1]))
    drawn = np.full(labels.shape, -1, np.int16)
    for region in prediction["result"]:
        assert region["type"] == "polygonlabels"
        canvas = Image.new("1", (48, 40))
        corners = [(x * 48 / 100 - 0.5, y * 40 / 100 - 0.5) for x, y in region["value"]["points"]]
        ImageDraw.Draw(canvas).polygon(corners, fill=1)
        drawn[np.asarray(canvas)] = ("car", "tree").index(region["value"]["polygonlabels"][0])
    assert (drawn == labels).mean() > 0.95


def test_tasks_come_back_in_their_order_and_a_broken_one_says_why(
    client: TestClient, pictures: list[Path]
) -> None:
    broken = "data:image/png;base64," + base64.b64encode(b"no picture").decode()
    results = predict(client, BRUSHES, data_uri(pictures[0]), broken, None, data_uri(pictures[1]))
    assert [bool(each["result"]) for each in results] == [True, False, False, True]
    assert [bool(each["error"]) for each in results] == [False, True, True, False]
    assert results[1]["error"].startswith("the task's picture ")
    assert tempfile.gettempdir() not in results[1]["error"]
    assert predict(client, BRUSHES) == []


def test_a_picture_of_the_shelf_is_named_by_its_address(
    client: TestClient, studio: Studio, pictures: list[Path]
) -> None:
    shown = studio.engine.shelf.add("blue.png", pictures[0].read_bytes())
    results = predict(
        client, BRUSHES, f"/api/v1/pictures/{shown.id}/view", "/api/v1/pictures/" + "0" * 24 + "/view"
    )
    assert results[0]["result"]
    assert "no longer here" in results[1]["error"]


@pytest.mark.parametrize(
    "address",
    [
        "/etc/passwd",
        "../photos/blue.png",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "/data/local-files/?d=etc/passwd",
        "s3://bucket/blue.png",
        "http://127.0.0.1/blue.png",
        "https://169.254.169.254/latest/meta-data",
        "ftp://x/y",
        "data:image/png;base64,%%%",
        "data:image/svg+xml,<svg/>",
        "data:text/html;base64,AAAA",
        "",
        7,
        ["http://x"],
    ],
)
def test_nothing_else_is_opened_or_fetched(
    client: TestClient, address: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (prediction,) = predict(client, BRUSHES, address)
    assert prediction["result"] == []
    assert prediction["error"].startswith("the task")


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Address of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(request: BaseHTTPRequestHandler, content: bytes, status: int = 200, **headers: str) -> None:
    request.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(content))}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(content)


def with_server(studio: Studio, access: LabelStudioAccess) -> TestClient:
    pictures = TaskPictures(studio.engine.shelf, LabelStudioServer(access))
    app = make_app(replace(studio, labelling=LabellingBackend(studio.engine, pictures, 10**7)))
    return TestClient(app, BASE_URL, headers={"authorization": f"Bearer {TOKEN}"})


def test_pictures_come_from_the_named_label_studio_with_its_key(studio: Studio, pictures: list[Path]) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append((request.path, request.headers["Authorization"]))
        send(request, pictures[0].read_bytes())

    with serving(answer) as address:
        client = with_server(studio, LabelStudioAccess(address + "/", "key"))
        results = predict(
            client,
            BRUSHES,
            "/data/upload/1/blue.png",
            f"{address}/x.png?d=1",
            "http://other.example/blue.png",
        )
    assert [bool(each["result"]) for each in results] == [True, True, False]
    assert asked == [("/data/upload/1/blue.png", "Token key"), ("/x.png?d=1", "Token key")]
    assert "leads to another one, http://other.example" in results[2]["error"]


def test_a_personal_token_is_exchanged_once(studio: Studio, pictures: list[Path]) -> None:
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        asked.append((request.command, request.path, request.headers["Authorization"], body))
        if request.path == "/ls/api/token/refresh/":
            send(request, json.dumps({"access": "short"}).encode())
        else:
            send(request, pictures[0].read_bytes())

    with serving(answer) as address:
        client = with_server(studio, LabelStudioAccess(f"{address}/ls", "aa.bb.cc"))
        results = predict(client, BRUSHES, "/data/upload/1/blue.png", "/ls/data/upload/1/blue.png")
    assert all(each["result"] for each in results)
    assert [each[:3] for each in asked] == [
        ("POST", "/ls/api/token/refresh/", None),
        ("GET", "/ls/data/upload/1/blue.png", "Bearer short"),
        ("GET", "/ls/data/upload/1/blue.png", "Bearer short"),
    ]
    assert json.loads(asked[0][3]) == {"refresh": "aa.bb.cc"}


@pytest.mark.parametrize("answered", [b"{}", b"no json", b'{"access": "a\\nb"}', b'{"access": ""}'])
def test_an_exchange_that_gives_no_token_tells_no_secret(studio: Studio, answered: bytes) -> None:
    with serving(lambda request: send(request, answered)) as address:
        server = LabelStudioServer(LabelStudioAccess(address, "aa.bb.cc"))
        with pytest.raises(StorageError, match="gave no token; check LABEL_STUDIO_API_KEY") as told:
            server.read("/x.png")
    assert "aa.bb.cc" not in str(told.value)


def test_redirects_to_other_servers_are_not_followed_and_get_no_key() -> None:
    others = []

    def other(request: BaseHTTPRequestHandler) -> None:
        others.append(request.headers["Authorization"])
        send(request, b"")

    with (
        serving(other) as elsewhere,
        serving(lambda request: send(request, b"", 302, Location=f"{elsewhere}/x")) as address,
    ):
        server = LabelStudioServer(LabelStudioAccess(address, "secret"))
        with pytest.raises(StorageError, match="leads to another one"):
            server.read("/x.png")
        for place in (f"{elsewhere}/x", f"//{elsewhere.partition('//')[2]}/x", "http://user@x/", "http://["):
            with pytest.raises(Exception, match=r"cannot be|leads to"):
                server.read(place if place.startswith("http") else f"http:{place}")
    assert others == []


def test_large_slow_and_missing_pictures_are_refused() -> None:
    with serving(lambda request: send(request, bytes(5000))) as address:
        server = LabelStudioServer(LabelStudioAccess(address, "secret"), max_bytes=1000)
        with pytest.raises(StorageError, match="larger than 1,000 bytes"):
            server.read("/x.png?secret=1")
    with (
        serving(lambda request: send(request, b"", 404)) as address,
        pytest.raises(MissingError, match="is missing") as told,
    ):
        LabelStudioServer(LabelStudioAccess(address)).read("/x.png?secret=1")
    assert "secret" not in str(told.value)
    with (
        serving(lambda request: send(request, b"", 403)) as address,
        pytest.raises(StorageError, match=r"the server answered 403 Forbidden"),
    ):
        LabelStudioServer(LabelStudioAccess(address, "secret")).read("/x.png")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "label-studio",
        "ftp://x",
        "http://",
        "http://[",
        "http://u:p@x",
        "http://x?a",
        "http://x:0",
        "file:///x",
    ],
)
def test_addresses_of_label_studio_that_are_none(url: str) -> None:
    with pytest.raises(RequestError, match="--label-studio"):
        LabelStudioAccess(url)


@pytest.mark.parametrize("key", ["a b", "a\nb", "ü", "\x00"])
def test_a_key_that_is_none_is_not_quoted(key: str) -> None:
    with pytest.raises(RequestError, match="LABEL_STUDIO_API_KEY is no key") as told:
        LabelStudioAccess("http://x", f"secret{key}")
    assert "secret" not in str(told.value)
    assert "secret" not in repr(LabelStudioAccess("http://x", "secret"))


def test_a_click_gives_the_region_under_it(client: TestClient, pictures: list[Path]) -> None:
    def click(x: float, *, positive: bool = True, kind: str = "keypointlabels") -> dict[str, Any]:
        value = {"x": x, "y": 50, "width": 0.3, kind: ["car"]}
        return {"id": "k", "type": kind, "value": value, "is_positive": positive, "from_name": "kp"}

    (right,) = predict(client, SMART, data_uri(pictures[0]), params={"context": {"result": [click(75)]}})
    (region,) = right["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("tag", "img", "brushlabels")
    mask = decode_brush(region["value"]["rle"], (40, 48))
    assert mask[20, 36]
    assert not mask[20, 8]
    assert mask[:, 24:].mean() > 0.9
    (same,) = predict(client, SMART, data_uri(pictures[0]), context={"result": [click(75)]})
    assert same["result"] == right["result"]
    both = {"result": [click(75), click(25, positive=False)]}
    (without,) = predict(client, SMART, data_uri(pictures[0]), params={"context": both})
    assert not decode_brush(without["result"][0]["value"]["rle"], (40, 48))[20, 8]


def test_who_fetches_a_picture_keeps_nobody_from_the_networks(studio: Studio, pictures: list[Path]) -> None:
    free = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        free.append(in_time(lambda: studio.engine.turns.of("another")))
        send(request, pictures[0].read_bytes())

    mark = {"type": "keypointlabels", "value": {"x": 75, "y": 50, "keypointlabels": ["car"]}}
    with serving(answer) as address:
        client = with_server(studio, LabelStudioAccess(address))
        for more in ({}, {"context": {"result": [mark]}}):
            (prediction,) = predict(client, SMART, "/data/upload/1/blue.png", **more)
            assert prediction["error"] == ""
    assert free == [True, True]


def in_time(turn: Callable[[], AbstractContextManager[None]]) -> bool:
    """Whether a turn comes while its answer is waited for."""
    came = threading.Event()

    def take() -> None:
        with turn():
            came.set()

    threading.Thread(target=take, daemon=True).start()
    return came.wait(5)


def test_a_box_gives_what_fills_it(client: TestClient, pictures: list[Path]) -> None:
    value = {"x": 50, "y": 0, "width": 50, "height": 100, "rectanglelabels": ["car"]}
    context = {"result": [{"type": "rectanglelabels", "value": value}]}
    for config, kind in ((SMART, "rle"), (SMART.replace("BrushLabels", "PolygonLabels"), "points")):
        (prediction,) = predict(client, config, data_uri(pictures[0]), params={"context": context})
        assert prediction["error"] == ""
        assert kind in prediction["result"][0]["value"]


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ({"type": "keypointlabels", "value": {"x": 1, "y": 1}}, "no label"),
        ({"type": "keypointlabels", "value": {"x": 1, "y": 1, "keypointlabels": ["dog"]}}, "the label 'dog'"),
        (
            {"type": "ellipselabels", "value": {"x": 1, "y": 1, "labels": ["car"]}},
            "'ellipselabels' are not known",
        ),
        (
            {
                "type": "rectanglelabels",
                "value": {"x": 1, "y": 1, "width": 0, "height": 0, "labels": ["car"]},
            },
            "box",
        ),
    ],
)
def test_marks_that_mean_nothing_are_told(
    client: TestClient, pictures: list[Path], mark: dict[str, Any], told: str
) -> None:
    (prediction,) = predict(client, SMART, data_uri(pictures[0]), context={"result": [mark]})
    assert prediction["result"] == []
    assert told in prediction["error"]


def test_labels_of_several_tags_are_given_by_the_first_that_has_them() -> None:
    config = read_config(
        '<View><Image name="a" value="$one"/><Image name="b" value="$two"/>'
        '<Choices name="c" toName="b"><Choice value="x"/></Choices>'
        '<BrushLabels name="brush" toName="b"><View><Label value="sky"/><Label value="Car"/></View>'
        "</BrushLabels>"
        '<polygonlabels name="poly" toName="x, b"><label value="Car"/><label value="dog|Hund" alias="DOG"/>'
        '<label value="K7" predicted_values="bus, coach|Coach"/></polygonlabels>'
        '<PolygonLabels name="dynamic" toName="b" value="$labels"/></View>'
    )
    assert (config.image, config.field) == ("b", "two")
    assert {label: config.control_of(label).name for label in config.labels} == {
        "sky": "brush",
        "Car": "brush",
        "DOG": "poly",
        "K7": "poly",
    }
    texts = dict(zip(config.labels, [each.texts for each in config.classes.classes], strict=True))
    assert texts == {"sky": ("sky",), "Car": ("Car",), "DOG": ("dog", "Hund"), "K7": ("bus", "coach")}


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><View>&b;</View>'


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("", "not valid XML"),
        ("<View>", "not valid XML"),
        ("<View>\x00</View>", "not valid XML"),
        ("<View/>", "no Image tag"),
        ('<View><Image name="i" value="$i"/></View>', "no Image tag"),
        (BRUSHES.replace('"$photo"', '"https://x/y.png"'), "no Image tag"),
        (BRUSHES.replace('toName="img"', 'toName="other"'), "no Image tag"),
        (BOMB, "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>', "document type"),
        ("<View>" + " " * MAX_CHARACTERS + "</View>", "over 1,048,576 characters"),
        ("<a>" * 100_000 + "</a>" * 100_000, "no Image tag"),
        (BRUSHES.replace('"car"', '"Tree"'), "both called"),
        (BRUSHES.replace('"car"', f'"{"x" * 400}"'), "300"),
    ],
)
def test_labelling_interfaces_that_do_not_fit_are_refused(client: TestClient, config: str, told: str) -> None:
    answer = client.post("/predict", json={"tasks": [], "label_config": config})
    assert answer.status_code == 422
    assert told in answer.json()["error"]
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"tasks": "x"},
        {"tasks": [{}] * 1001, "label_config": BRUSHES},
        {"tasks": [], "label_config": BRUSHES, "context": {"result": [{"value": {"x": 1e999, "y": 0}}]}},
    ],
)
def test_requests_of_another_shape_are_refused(client: TestClient, asked: dict[str, Any]) -> None:
    answer = client.post("/predict", content=json.dumps(asked), headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]


def test_events_are_taken_and_change_nothing(client: TestClient, studio: Studio) -> None:
    before = studio.engine.revision
    answer = client.post("/webhook", json={"action": "ANNOTATION_CREATED", "project": {"id": 1}})
    assert answer.status_code == 200
    assert answer.json()["status"] == "ignored"
    assert studio.engine.revision == before


def test_pictures_of_tasks_are_not_put_on_the_shelf(client: TestClient, pictures: list[Path]) -> None:
    predict(client, BRUSHES, data_uri(pictures[0]))
    assert client.get("/api/v1/pictures").json() == []
