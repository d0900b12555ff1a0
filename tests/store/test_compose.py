"""docker-compose.yml is what docs/hosting.md says it is; no Docker is needed to see that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from freeda_store.vectors.collection import MAX_QUERY_LIMIT, collection_settings, payload_indexes
from freeda_store.vectors.filters import INTEGER_FIELDS, NUMBER_FIELDS, TEXT_FIELDS
from freeda_store.vectors.protocol import VectorSizes
from freeda_store.vectors.server import EXACT_UP_TO

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
EXAMPLE = dict(re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_services_are_pinned_checked_and_kept() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"qdrant", "postgres", "caddy"}
    for name in ("qdrant", "postgres"):
        service = services[name]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in COMPOSE["volumes"]
    assert re.fullmatch(r"qdrant/qdrant:\$\{QDRANT_VERSION:-v1\.\d+\.\d+\}", services["qdrant"]["image"])
    assert services["caddy"]["profiles"] == ["tls"]


def test_the_health_check_is_one_bash_command() -> None:
    *command, script = COMPOSE["services"]["qdrant"]["healthcheck"]["test"]
    assert command == ["CMD", "bash", "-c"]
    assert "\n" not in script
    assert r"GET /readyz HTTP/1.1\r\n" in script


def test_no_secret_has_a_default() -> None:
    needed = {"QDRANT_API_KEY", "QDRANT_READ_ONLY_API_KEY", "FREEDA_SQL_PASSWORD"}
    assert needed == set(re.findall(r"\$\{([A-Z_]+):\?", TEXT))
    assert all(EXAMPLE[name] == "" for name in needed)


def test_the_example_names_every_variable() -> None:
    used = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", TEXT))
    assert used.keys() <= EXAMPLE.keys()
    assert {name: EXAMPLE[name] for name in used} == used


def test_tokens_are_taken() -> None:
    assert COMPOSE["services"]["qdrant"]["environment"]["QDRANT__SERVICE__JWT_RBAC"] == "true"


def test_strict_mode_allows_what_freeda_asks() -> None:
    environment = COMPOSE["services"]["qdrant"]["environment"]
    prefix = "QDRANT__STORAGE__COLLECTION__STRICT_MODE__"
    assert environment[f"{prefix}ENABLED"] == "true"
    assert int(environment[f"{prefix}MAX_QUERY_LIMIT"]) == MAX_QUERY_LIMIT >= 2 * EXACT_UP_TO
    filterable = {*TEXT_FIELDS, *NUMBER_FIELDS, *INTEGER_FIELDS, "added_in", "retired_in"}
    assert payload_indexes().keys() == filterable


def test_collection_settings() -> None:
    told = collection_settings(VectorSizes(768, 1024), "document")
    text, visual = told["vectors_config"]["text"], told["vectors_config"]["visual"]
    assert (text.size, visual.size) == (768, 1024)
    assert text.quantization_config.scalar.always_ram
    assert visual.hnsw_config.m == 0
    assert visual.datatype == "float16"
    assert text.on_disk
    assert visual.on_disk
    assert told["strict_mode_config"].enabled
    assert told["strict_mode_config"].unindexed_filtering_retrieve is False
    assert told["metadata"] == {"freeda": "document"}


@pytest.mark.parametrize("millions", [2, 20])
def test_the_sizes_in_the_docs_follow_from_the_vectors(millions: int) -> None:
    """The table of docs/hosting.md, recomputed: 768 numbers of text key, 1024 of visual."""
    points = millions * 1_000_000
    gigabytes = {
        "text keys, quantised, in memory": points * 768 / 1e9,
        "directions, quantised, in memory": points * 1024 / 1e9,
        "two HNSW graphs, in memory": 2 * points * 2 * 16 * 4 * 1.1 / 1e9,
        "text keys, on disk": points * 768 * 4 / 1e9,
        "visual vectors, on disk": points * 1024 * 2 / 1e9,
        "directions, on disk": points * 1024 * 2 / 1e9,
        "semantic vectors, on disk": points * 768 * 2 / 1e9,
    }
    page = (ROOT / "docs" / "hosting.md").read_text()
    for row, size in gigabytes.items():
        (line,) = [line for line in page.splitlines() if line.startswith(f"| {row} ")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2 if millions == 2 else 3] == f"{size:.1f} GB", row
