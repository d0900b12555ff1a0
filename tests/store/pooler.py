"""A pooler before PostgreSQL, for tests: in transaction mode a transaction gets any session that is free."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ASKS = {3, 5, 10, 11}
"""Authentication requests that the client answers."""
_PREFACES = {80877103, 80877104}
"""Requests for encryption, which are declined."""


class Pooler:
    """Listens on loopback.

    Attributes:
        port: where.
        transactions: in transaction mode; otherwise each client keeps its session.
    """

    def __init__(self, server: Path, *, transactions: bool) -> None:
        self._server = server
        self.transactions = transactions
        self._free: list[socket.socket] = []
        self._change = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for session in self._free:
            session.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, True
                )  # or loopback waits 40 ms for the second packet
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, EOFError), client:
            session = self._log_in(client)
            while True:
                asked = [_message(client)]
                while asked[-1][:1] not in (b"S", b"Q", b"X"):
                    asked.append(_message(client))
                if asked[-1][:1] == b"X":
                    break
                session = self._answer(client, session, b"".join(asked))

    def _answer(
        self, client: socket.socket, session: socket.socket | None, asked: bytes
    ) -> socket.socket | None:
        if session is None:
            session = self._take()
        session.sendall(asked)
        while True:
            told = _message(session)
            if told[:1] == b"Z":
                break
            client.sendall(told)
        ended = self.transactions and told[-1:] == b"I"
        if ended:  # before the client knows of it, as pgbouncer does
            self._put_back(session)
        client.sendall(told)
        return None if ended else session

    def _log_in(self, client: socket.socket) -> socket.socket | None:
        session = socket.socket(socket.AF_UNIX)
        session.connect(str(self._server / ".s.PGSQL.5432"))
        first = _untyped(client)
        while struct.unpack("!I", first[4:8])[0] in _PREFACES:
            client.sendall(b"N")
            first = _untyped(client)
        session.sendall(first)
        while True:
            told = _message(session)
            if told[:1] == b"Z":
                if self.transactions:
                    self._put_back(session)
                client.sendall(told)
                return None if self.transactions else session
            client.sendall(told)
            if told[:1] == b"R" and struct.unpack("!I", told[5:9])[0] in _ASKS:
                session.sendall(_message(client))

    def _put_back(self, session: socket.socket) -> None:
        with self._change:
            self._free.append(session)
            self._change.notify()

    def _take(self) -> socket.socket:
        with self._change:
            self._change.wait_for(lambda: self._free)
            return self._free.pop()


def _read(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = source.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _untyped(source: socket.socket) -> bytes:
    head = _read(source, 4)
    return head + _read(source, struct.unpack("!I", head)[0] - 4)


def _message(source: socket.socket) -> bytes:
    return _read(source, 1) + _untyped(source)


@contextmanager
def running_pooler(server: Path, *, transactions: bool) -> Iterator[Pooler]:
    pooler = Pooler(server, transactions=transactions)
    try:
        yield pooler
    finally:
        pooler.close()
