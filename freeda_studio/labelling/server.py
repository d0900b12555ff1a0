"""A Label Studio that a person named at the start: the only server that is asked for pictures of tasks."""

from __future__ import annotations

import re
import threading
import time
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from freeda_store.errors import StorageError
from freeda_store.web_reading import WebReader
from freeda_studio.errors import MissingError
from freeda_studio.settings import LABEL_STUDIO_KEY, SECRET, LabelStudioAccess

MAX_BYTES = 128 * 2**20
SECONDS = 30.0
"""How long one picture may take in all."""

_PERSONAL = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
"""A personal access token: a JSON Web Token, which is exchanged for one that lasts minutes."""

_KEPT_SECONDS = 240.0


class _Access(BaseModel):
    access: str


class LabelStudioServer:
    """Fetches pictures.

    Args:
        access: where from.
        max_bytes: how large a picture's file may be.
        seconds: how long it may take in all.
    """

    def __init__(
        self, access: LabelStudioAccess, *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS
    ) -> None:
        self._access = access
        self._base = access.url.rstrip("/")
        self._reader = WebReader(self._base, what="picture", seconds=seconds, max_bytes=max_bytes)
        self._lock = threading.Lock()
        self._exchanged: tuple[str, float] | None = None

    def read(self, address: str) -> bytes:
        """A picture's file.

        Args:
            address: whole, or beginning with a slash.

        Raises:
            MissingError: the server has none.
            StorageError, SettingsError: it cannot be fetched, or lies on another server.
        """
        place = self._place(address)
        content = self._reader.read(place, self._headers())
        if content is None:
            raise MissingError(f"picture {place.partition('?')[0]} is missing; import the task again.")
        return content

    def _place(self, address: str) -> str:
        if not address.startswith("/"):
            return address
        prefix = urlsplit(self._base).path
        if prefix and address.startswith(f"{prefix}/"):
            return self._base.removesuffix(prefix) + address
        return self._base + address

    def _headers(self) -> dict[str, str]:
        key = self._access.api_key
        if not key:
            return {}
        if not _PERSONAL.fullmatch(key):
            return {"Authorization": f"Token {key}"}
        with self._lock:
            if self._exchanged is None or time.monotonic() > self._exchanged[1]:
                self._exchanged = self._exchange(key), time.monotonic() + _KEPT_SECONDS
            return {"Authorization": f"Bearer {self._exchanged[0]}"}

    def _exchange(self, key: str) -> str:
        place = f"{self._base}/api/token/refresh/"
        try:
            given = _Access.model_validate_json(self._reader.post(place, {"refresh": key})).access
        except ValidationError:
            given = ""
        if not SECRET.fullmatch(given):
            raise StorageError(f"{place} gave no token; check {LABEL_STUDIO_KEY}.")
        return given
