"""Small servers on loopback: one that answers from a script, a proxy that remembers, and strange ones."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OK = json.dumps({"result": True, "status": "ok", "time": 0.0}).encode()
RESET = "reset"
"""In a script: the connection is closed without an answer."""


@dataclass(frozen=True)
class Answer:
    """What a scripted server says."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


@dataclass(frozen=True)
class Asked:
    """A request as it came: what is sent, and nothing made of it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class StubServer(ThreadingHTTPServer):
    """Gives the answers of a script in order, the last one for ever."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: list[Answer | str], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = list(script)
        self.asked: list[Asked] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer, or loopback waits 40 ms for the second
    server: StubServer

    def answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.lock:
            self.server.asked.append(Asked(self.command, self.path, headers, body))
            script = self.server.script
            answer = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(answer, str):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


for _method in ("GET", "PUT", "POST", "PATCH", "DELETE", "CONNECT"):
    setattr(_Handler, f"do_{_method}", _Handler.answer)


@contextmanager
def stub_server(*script: Answer | str, port: int = 0, tls: Path | None = None) -> Iterator[StubServer]:
    """A running scripted server; ``tls`` is a folder with cert.pem and key.pem."""
    server = StubServer(list(script) or [Answer()], port)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def raw_server(answer: bytes) -> Iterator[str]:
    """The host:port of a server that sends some bytes to whoever says anything, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def free_port() -> int:
    """A port that nothing listens at, for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificate(folder: Path, name: str = "localhost", address: str = "127.0.0.1") -> Path:
    """A folder with a certificate that signs itself."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    command += ["-addext", f"subjectAltName=DNS:{name},IP:{address}"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@dataclass
class ForwardingProxy:
    """A proxy that forwards CONNECT tunnels and keeps all bytes that came from clients."""

    port: int
    seen: bytes = b""


@contextmanager
def forwarding_proxy() -> Iterator[ForwardingProxy]:
    """A running one."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ForwardingProxy(listener.getsockname()[1])

    def pump(source: socket.socket, sink: socket.socket, *, keep: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                proxy.seen += data if keep else b""
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve_one(client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(65536)
            proxy.seen += head
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(
                    target=pump, args=(server, client), kwargs={"keep": False}, daemon=True
                )
                back.start()
                pump(client, server, keep=True)
                back.join(5)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(client,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield proxy
    finally:
        listener.close()
