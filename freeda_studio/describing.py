"""The description of the API, as a document for programs and as operations for the page that people read."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

TAGS: Mapping[str, str] = {
    "bank": "What the bank holds.",
    "pictures": "The pictures of the shelf, their labels, and the reasons.",
    "downloads": "Labels in every format of the command line.",
    "corrections": "What changes the bank from a picture.",
    "label studio": "The contract of a machine learning backend.",
    "thumbnails": "Pictures of prototypes.",
    "history": "Revisions, what they gained and lost, and their tags.",
    "work": "Long work in the background.",
    "health": "Answered without a token.",
}
"""Groups of operations, in the order of the page; others come after them."""

TOKEN = "$FREEDA_TOKEN"  # noqa: S105 - the name of a variable
_METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token of this start."},
    "basic": {"type": "http", "scheme": "basic", "description": "Any user; the token as password."},
}


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of what is taken or given.

    Attributes:
        name: of it.
        kind: as people write types.
        place: ``path``, ``query``, ``body``.
        needed: whether it must be given.
        about: what it is; may be empty.
    """

    name: str
    kind: str
    place: str
    needed: bool
    about: str = ""


@dataclass(frozen=True)
class Operation:
    """What can be asked for.

    Attributes:
        method: in capitals.
        path: with parameters in braces.
        summary: one line.
        about: what else is to be said.
        tag: of its group.
        takes: its parameters and the fields of its body.
        sends: kinds of bodies that are taken; none without a body.
        gives: kinds of answers with what is in them.
        curl: a command that asks for it.
    """

    method: str
    path: str
    summary: str
    about: str
    tag: str
    takes: tuple[Field, ...]
    sends: tuple[str, ...]
    gives: tuple[str, ...]
    curl: str

    @property
    def anchor(self) -> str:
        """What a link to it ends with."""
        return "-".join([self.method.lower(), *(part.strip("{}") for part in self.path.split("/") if part)])


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI document in which operations are summed up, and need the token."""
    used = {tag for _, _, each in _operations(document) for tag in each.get("tags", ())}
    document["tags"] = [{"name": name, "description": about} for name, about in TAGS.items() if name in used]
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    document["security"] = [{name: []} for name in _SCHEMES]
    for path, _, operation in _operations(document):
        told = operation.get("description", operation.get("summary", ""))
        operation["summary"] = told.partition("\n")[0].rstrip(".").replace("``", "")
        if path == "/health":
            operation["security"] = []
    return document


def grouped(document: Mapping[str, Any], origin: str) -> dict[str, list[Operation]]:
    """The operations of a document by tag.

    Args:
        document: OpenAPI.
        origin: scheme, host and port of this server, for commands.
    """
    found: dict[str, list[Operation]] = {tag: [] for tag in TAGS}
    for path, method, operation in _operations(document):
        read = _read(document, path, method, operation, origin)
        found.setdefault(read.tag, []).append(read)
    return {tag: operations for tag, operations in found.items() if operations}


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, method, methods[method]) for method in _METHODS if method in methods)


def _read(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any], origin: str
) -> Operation:
    parameters = [each for each in operation.get("parameters", ()) if each["in"] in ("path", "query")]
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    schema: Mapping[str, Any] = next((each["schema"] for each in content.values()), {})
    body = _resolved(document, schema)
    takes = [
        Field(
            each["name"],
            kind_of(each.get("schema", {})),
            each["in"],
            each.get("required", False),
            each.get("description", ""),
        )
        for each in parameters
    ]
    needed = body.get("required", ())
    takes += [
        Field(name, kind_of(each), "body", name in needed, each.get("description", ""))
        for name, each in body.get("properties", {}).items()
    ]
    told = operation.get("description", "")
    return Operation(
        method.upper(),
        path,
        operation.get("summary", ""),
        told.partition("\n")[2].strip(),
        next(iter(operation.get("tags", ())), "other"),
        tuple(takes),
        tuple(content),
        tuple(_answers(operation)),
        _curl(document, origin, path, method, content, body),
    )


def _answers(operation: Mapping[str, Any]) -> Iterator[str]:
    for status, answer in operation.get("responses", {}).items():
        if status == "default":
            continue
        content = answer.get("content", {})
        if not content:
            yield f"{status}, nothing"
        for kind, each in content.items():
            schema = kind_of(each.get("schema", {}))
            yield f"{status}, {schema if kind == 'application/json' and schema else kind}"


def kind_of(schema: Mapping[str, Any]) -> str:
    """A JSON schema as people write types: ``list of ShareModel``, ``integer or null``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(kind_of(each) for each in schema[several]))
    kind = str(schema.get("type", ""))
    if kind == "array":
        items = schema.get("items") or {}
        if "prefixItems" in schema:
            return f"list of {len(schema['prefixItems'])}"
        return f"list of {kind_of(items) or 'anything'}"
    if schema.get("format") == "binary" or schema.get("contentMediaType") == "application/octet-stream":
        return "file"
    return {"string": "text", "boolean": "true or false"}.get(kind, kind)


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][kind_of(schema)]
    return found


def _curl(
    document: Mapping[str, Any],
    origin: str,
    path: str,
    method: str,
    content: Mapping[str, Any],
    body: Mapping[str, Any],
) -> str:
    """A command with an example of the body; what is in capitals is to be filled in."""
    words = ["curl"]
    if path != "/health":
        words.append(f'-H "Authorization: Bearer {TOKEN}"')
    answers = document["paths"][path][method]["responses"]
    kinds = [kind for answer in answers.values() for kind in answer.get("content", ())]
    if "application/octet-stream" in kinds:
        words.append("-OJ")
    elif any(kind.startswith("image/") for kind in kinds):
        words.append("-o picture." + kinds[0].partition("/")[2])
    if method != ("post" if content else "get"):
        words.append(f"-X {method.upper()}")
    if "application/json" in content:
        example = json.dumps(_example(document, body), ensure_ascii=False)
        words += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(example)}"]
    elif content:
        for name, each in body.get("properties", {}).items():
            if name in body.get("required", ()):
                value = _example_of(document, name, each)
                first = value[0] if isinstance(value, list) and value else value
                words.append(f"-F {shlex.quote(f'{name}={first}')}")
    place, query = path, {}
    for each in document["paths"][path][method].get("parameters", ()):
        name = each["name"]
        if each["in"] == "path":
            place = place.replace("{" + name + "}", name.upper())
        elif each["in"] == "query" and each.get("required"):
            query[name] = _example_of(document, name, each.get("schema", {}))
    words.append(shlex.quote(origin + place + (f"?{urlencode(query)}" if query else "")))
    return " ".join(words)


_EXAMPLES: Mapping[str, Any] = {
    "classes": ["car|automobile", "tree"],
    "format": "coco",
    "files": ["@photo.jpg"],
    "ids": ["PROTOTYPE"],
    "picture": "PICTURE",
    "name": "car",
    "at": [[120, 80]],
    "x": 120,
    "y": 80,
    "version": 1,
    "a": 1,
    "b": 2,
    "where": ["clip_agreement<0.2"],
    "dry_run": True,
    "tasks": [{"id": 1, "data": {"image": "/data/upload/1/photo.jpg"}}],
    "label_config": "<View>…</View>",
    "schema": "<View>…</View>",
}
"""Values that say more than their types."""


def _example(document: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    properties: Mapping[str, Any] = body.get("properties", {})
    needed = [name for name in properties if name in body.get("required", ()) or name in _EXAMPLES]
    return {name: _example_of(document, name, properties[name]) for name in needed}


def _example_of(document: Mapping[str, Any], name: str, schema: Mapping[str, Any]) -> Any:
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    if "default" in schema:
        return schema["default"]
    resolved = _resolved(document, schema)
    if resolved.get("enum"):
        return resolved["enum"][0]
    kinds = {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}
    return kinds.get(resolved.get("type", ""), name.upper())
