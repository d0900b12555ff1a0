"""A hub of dataset repositories on this machine: the few endpoints that huggingface_hub asks of one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".safetensors")


@dataclass
class Repository:
    """Commits, oldest first: SHA, message, and content by name."""

    private: bool = False
    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)

    def commit(self, message: str, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {message}".encode()).hexdigest()
        self.commits.append((sha, message, files))
        return sha

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        for sha, _, files in self.commits[::-1]:
            if revision in ("main", sha):
                return sha, files
        return None

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][2]

    @property
    def messages(self) -> list[str]:
        return [message for _, message, _ in self.commits]


@dataclass
class Hub:
    """All that the server knows.

    Attributes:
        uploads: names of the large objects that were transferred, by SHA-256.
        downloads: names of the files that were asked for.
        tokens: authorization headers that came.
        refuse: gives a status and an error code for a request, or None to answer it.
        before_commit: called before a commit is looked at.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    downloads: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    refuse: Callable[[str, str], tuple[int, str] | None] = lambda method, path: None
    before_commit: Callable[[Repository], None] = lambda repository: None


class Answerer(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer, or loopback waits 40 ms for the second
    hub: ClassVar[Hub]

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def do_POST(self) -> None:
        self._route()

    def do_PUT(self) -> None:
        self._route()

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""

    def _route(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.tokens.add(self.headers.get("Authorization"))
        if refusal := self.hub.refuse(self.command, path):
            self._send(refusal[0], b"{}", {"X-Error-Code": refusal[1], "X-Error-Message": "not today"})
            return
        for pattern, answer in self.ROUTES:
            if match := re.fullmatch(pattern, path):
                answer(self, **match.groupdict())
                return
        self._send(404, b"{}")

    def _send(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _found(self, name: str, revision: str = "main") -> tuple[str, dict[str, bytes]] | None:
        """The repository at a revision; an error is sent when there is none."""
        repository = self.hub.repositories.get(name)
        if repository is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return None
        found = repository.at(revision)
        if found is None:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        return found

    def _create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        taken = name in self.hub.repositories
        if not taken:
            made = self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
            made.commit("initial commit", {".gitattributes": b"*.parquet filter=lfs\n"})
        self._json({"url": f"{self.hub.url}/datasets/{name}"}, 409 if taken else 200)

    def _info(self, name: str, revision: str = "main") -> None:
        if found := self._found(name, revision):
            sha, files = found
            self._json({"id": name, "sha": sha, "siblings": [{"rfilename": file} for file in files]})

    def _resolve(self, name: str, revision: str, file: str) -> None:
        if not (found := self._found(name, revision)):
            return
        sha, files = found
        if file not in files:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
            return
        if self.command == "GET":
            self.hub.downloads.append(file)
        etag = hashlib.sha256(files[file]).hexdigest()
        self._send(200, files[file], {"ETag": f'"{etag}"', "X-Repo-Commit": sha})

    def _preupload(self, name: str, revision: str) -> None:
        if not self._found(name, revision):
            return
        asked = json.loads(self.body)["files"]
        modes = {True: "lfs", False: "regular"}
        self._json(
            {
                "files": [
                    {"path": f["path"], "uploadMode": modes[f["path"].endswith(LARGE)], "shouldIgnore": False}
                    for f in asked
                ]
            }
        )

    def _batch(self, name: str) -> None:
        answers = []
        for asked in json.loads(self.body)["objects"]:
            answer = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.hub.objects:
                answer["actions"] = {"upload": {"href": f"{self.hub.url}/objects/{asked['oid']}"}}
            answers.append(answer)
        self._json({"transfer": "basic", "objects": answers})

    def _put(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.hub.objects[oid] = self.body
        self.hub.uploads.append(oid)
        self._send(200, b"")

    def _commit(self, name: str, revision: str) -> None:
        if not self._found(name, revision):
            return
        repository = self.hub.repositories[name]
        self.hub.before_commit(repository)
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        sha, _, files = repository.commits[-1]
        if header["value"].get("parentCommit", sha) != sha:
            self._send(412, b"{}", {"X-Error-Message": "a commit has happened since"})
            return
        new = dict(files)
        for operation in operations:
            value = operation["value"]
            large = operation["key"] == "lfsFile"
            new[value["path"]] = (
                self.hub.objects[value["oid"]] if large else base64.b64decode(value["content"])
            )
        made = repository.commit(header["value"]["summary"], new)
        self._json({"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{made}", "commitOid": made})

    def _validate(self) -> None:
        ours = json.loads(self.body)["content"].startswith("---\n")
        warnings = [] if ours else [{"message": "empty or missing yaml metadata"}]
        self._json({"errors": [], "warnings": warnings})

    ROUTES: ClassVar[list[tuple[str, Any]]] = [
        ("/api/repos/create", _create),
        ("/api/validate-yaml", _validate),
        (r"/api/datasets/(?P<name>[^/]+/[^/]+)", _info),
        (r"/api/datasets/(?P<name>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)", _info),
        (r"/api/datasets/(?P<name>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)", _preupload),
        (r"/api/datasets/(?P<name>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)", _commit),
        (r"/datasets/(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _batch),
        (r"/datasets/(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)", _resolve),
        (r"/objects/(?P<oid>[0-9a-f]{64})", _put),
    ]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub at a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Answerer,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
