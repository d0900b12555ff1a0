"""What a studio is started with."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from freeda_studio.errors import RequestError

DEFAULT_PORT = 8765
DEFAULT_HOST = "127.0.0.1"
LABEL_STUDIO_KEY = "LABEL_STUDIO_API_KEY"
"""The variable with the key of a user of Label Studio."""

TOKEN_VARIABLE = "FREEDA_TOKEN"  # noqa: S105 - the name of a variable

MEGABYTE = 2**20

SECRET = re.compile(r"[\x21-\x7e]+")
"""What a header can carry as a key."""


def new_token() -> str:
    """The token of a start: that of :data:`TOKEN_VARIABLE`, for programs to know it before, or a new one.

    Raises:
        RequestError: no header can carry the variable's value.
    """
    given = os.environ.get(TOKEN_VARIABLE, "")
    if given and not SECRET.fullmatch(given):
        raise RequestError(
            f"the value of {TOKEN_VARIABLE} has spaces or letters that are not ASCII; choose another, such "
            "as that of `openssl rand -hex 24`."
        )
    return given or secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Access:
    """Who may reach the studio.

    Attributes:
        host, port: where it listens.
        token: what a request must bring, as a cookie or as authorization.
        names: further names by which it is reached, for the Host header.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str = field(default_factory=new_token, repr=False)
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.token:
            raise ValueError("the token is empty, which would let everybody in")


@dataclass(frozen=True)
class LabelStudioAccess:
    """Where a Label Studio is, and how it is entered.

    Attributes:
        url: of its first page.
        api_key: of one of its users; empty where pictures are served to everybody.

    Raises:
        RequestError: the URL is none, or the key cannot be one. The key is never quoted.
    """

    url: str
    api_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            fine = False
        if not fine or parts.username is not None or parts.query or parts.fragment:
            raise RequestError(
                "the address of Label Studio must be like https://label-studio.example; correct "
                "--label-studio."
            )
        if self.api_key and not SECRET.fullmatch(self.api_key):
            raise RequestError(f"the value of {LABEL_STUDIO_KEY} is no key of Label Studio; copy it again.")


@dataclass(frozen=True)
class Limits:
    """What a studio holds and takes at most.

    Attributes:
        memory_bytes: encoded and labelled pictures.
        request_bytes: one request, pictures in it included.
        upload_bytes: pictures that were dropped, on disk; those least used go first.
        work_bytes: what was sent for long work and is not done yet, unpacked, on disk.
    """

    memory_bytes: int = 1024 * MEGABYTE
    request_bytes: int = 128 * MEGABYTE
    upload_bytes: int = 1024 * MEGABYTE
    work_bytes: int = 4096 * MEGABYTE


@dataclass(frozen=True)
class StudioSettings:
    """What a studio shows.

    Attributes:
        bank: address of its bank.
        pictures: files that are shown from the start.
        read_only: nothing may be changed, whatever the bank allows.
        state: folder for dropped pictures and long work; made when it is needed.
        limits: of memory and disk.
        classes: that the page starts with, as a person writes them.
        label_studio: the only server that pictures of its tasks are fetched from; none if None.
    """

    bank: str
    pictures: tuple[Path, ...] = ()
    read_only: bool = False
    state: Path | None = None
    limits: Limits = Limits()
    classes: str = ""
    label_studio: LabelStudioAccess | None = None

    @property
    def folder(self) -> Path:
        """Where dropped pictures and long work are kept."""
        return self.state or default_state(self.bank)


def default_state(bank: str) -> Path:
    """A folder of a bank's own in ``$XDG_STATE_HOME``, else in ``~/.local/state``."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    place = bank if "://" in bank else str(Path(bank).absolute())
    return base / "freeda" / "studio" / hashlib.sha256(os.fsencode(place)).hexdigest()[:16]
