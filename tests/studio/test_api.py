"""The description of the API, for programs and for people."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from starlette.testclient import TestClient
from studio_makers import TOKEN

from freeda_studio.describing import TAGS, grouped, kind_of


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    described: dict[str, Any] = client.get("/api/v1/openapi.json").json()
    return described


def test_every_operation_says_what_it_does_takes_and_gives(document: dict[str, Any]) -> None:
    names = []
    for path, methods in document["paths"].items():
        for method, each in methods.items():
            place = f"{method} {path}"
            names.append(each["operationId"])
            assert each["summary"], place
            assert each["description"].replace("``", "").startswith(each["summary"]), place
            assert each["tags"], place
            failure = each["responses"]["default"]["content"]["application/json"]["schema"]
            assert failure == {"$ref": "#/components/schemas/ErrorModel"}, place
            fine = [status for status in each["responses"] if status.startswith("2")]
            assert len(fine) == 1, place
            if fine[0] != "204":
                (content,) = each["responses"][fine[0]]["content"].items()
                assert content[0] != "application/json" or content[1]["schema"], place
    assert len(set(names)) == len(names)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_all_but_health_ask_for_the_token(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"bearer", "basic"}
    assert document["security"] == [{"bearer": []}, {"basic": []}]
    open_to_all = [
        path for path, each in document["paths"].items() if each.get("get", {}).get("security") == []
    ]
    assert open_to_all == ["/health"]


def test_tags_are_described_and_used(document: dict[str, Any]) -> None:
    used = {
        tag for methods in document["paths"].values() for each in methods.values() for tag in each["tags"]
    }
    assert used <= set(TAGS)
    told = [each["name"] for each in document["tags"]]
    assert told == [tag for tag in TAGS if tag in told]
    assert set(told) == set(TAGS)


def test_the_page_shows_every_operation_with_a_command(client: TestClient, document: dict[str, Any]) -> None:
    page = client.get("/api").text
    assert TOKEN not in page
    for path, methods in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for each in methods.values():
            assert each["summary"].replace("'", "&#39;") in page
    assert page.count("<code>curl ") == sum(len(methods) for methods in document["paths"].values())
    assert len(re.findall(r' id="([^"]+)"', page)) == len(set(re.findall(r' id="([^"]+)"', page)))
    for link in re.findall(r'href="([^"]+)"|src="([^"]+)"', page):
        assert "".join(link).startswith(("/", "#"))
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page


def test_commands_can_be_run_as_they_are(client: TestClient, document: dict[str, Any]) -> None:
    """They are split as a shell does, and asked; only what they name in capitals is missing."""
    for operations in grouped(document, "http://127.0.0.1:8765").values():
        for each in operations:
            words = shlex.split(each.curl)
            assert words[0] == "curl"
            assert ("Authorization: Bearer $FREEDA_TOKEN" in words) == (each.path != "/health")
            address = words[-1]
            assert address.startswith("http://127.0.0.1:8765/")
            assert "{" not in address
            method = words[words.index("-X") + 1] if "-X" in words else "POST" if "-d" in words else "GET"
            method = "POST" if "-F" in words and "-X" not in words else method
            assert method == each.method
            if method == "GET" and not address.endswith("/events"):
                told = client.get(address).text
                assert "Field required" not in told, (each.path, told)
            if "-d" in words:
                body = words[words.index("-d") + 1]
                answer = client.request(
                    method, address, content=body.encode(), headers={"content-type": "application/json"}
                )
                told = answer.json().get("error", "") if answer.status_code >= 400 else ""
                assert "Field required" not in told, (each.path, told)
                assert "Extra inputs" not in told, (each.path, told)


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "string"}, "text"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/ShareModel"}}, "list of ShareModel"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"type": "array", "prefixItems": [{}, {}]}, "list of 2"),
        ({"type": "string", "contentMediaType": "application/octet-stream"}, "file"),
        ({}, ""),
    ],
)
def test_types_are_written_for_people(schema: dict[str, Any], told: str) -> None:
    assert kind_of(schema) == told
