"""Runs a studio: binds first, says its address as soon as it listens, and ends gracefully."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlencode

import uvicorn

from freeda_studio.app import make_app
from freeda_studio.errors import AddressInUseError
from freeda_studio.settings import Access
from freeda_studio.studio import Studio

_GRACE = 3
"""Seconds for requests in hand when the server is stopped."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens nowhere yet; port 0 takes any free one.

    Raises:
        AddressInUseError: the port is taken or forbidden, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressInUseError(
            f"{host} port {port} cannot be listened on ({reason}); choose another with --port, or 0 for any."
        ) from error
    return bound


def page_address(access: Access) -> str:
    """The address to open, with the token."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(access.host, access.host)  # noqa: S104
    query = urlencode({"token": access.token})
    return f"http://{f'[{host}]' if ':' in host else host}:{access.port}/?{query}"


def serve(studio: Studio, bound: socket.socket, listening: Callable[[], None]) -> None:
    """Answer until the process is interrupted.

    Args:
        studio: that is open.
        bound: by :func:`bind`.
        listening: called once requests are answered.
    """
    config = uvicorn.Config(
        make_app(studio),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=75,
    )
    _TellingServer(config, listening, studio.works.say_goodbye).run(sockets=[bound])


class _TellingServer(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, listening: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._listening, self._ending = listening, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Have those who listen to works go, and end."""
        self._ending()
        await super().shutdown(sockets)
