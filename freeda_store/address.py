"""One string addresses a bank: a folder ``DIR`` or a ``PROFILE``, with ``@3`` (revision 3) or ``@tag``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from freeda_store.errors import AddressError, VersionError
from freeda_store.limits import storable

TAG_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._\-]{0,63}")
"""What a tag may be called: a letter, then letters, digits, dot, underscore, hyphen. Browsers read it too."""
DATABASE_NAME = "bank.sqlite"
"""The file that makes a folder a bank."""
_MOST_DIGITS = 10
"""Of a revision's number; databases keep it in 32 bits."""
_SHOWN_CHARS = 80


@dataclass(frozen=True)
class Address:
    """Where a bank is and which of its versions is meant.

    Attributes:
        folder: the bank's folder; of a hosted bank, only the profile's name.
        version: a revision's number, a tag, or None for the newest revision.
        profile: name of the profile in the settings file, None for a folder.
    """

    folder: Path
    version: int | str | None = None
    profile: str | None = None

    @classmethod
    def parse(cls, address: str | Path) -> Address:
        """Read an address. A folder whose own name holds ``@`` wins over a version suffix.

        Raises:
            AddressError: empty, or what follows ``@`` is neither a number nor a tag.
        """
        text = str(address)
        if not text.strip() or text.startswith("@"):
            raise AddressError(f"'{text}' is not a bank's address; give a folder, DIR@3 or DIR@tag.")
        if storable(text) != text:
            raise AddressError(
                f"'{storable(text)}' is not a bank's address: the vector engine takes names in UTF-8 only; "
                "give a folder of another name."
            )
        whole = _expanded(text)
        if "@" not in whole.name or whole.is_dir():
            return cls(whole)
        folder, _, suffix = text.rpartition("@")
        try:
            return cls(_expanded(folder), parse_version(suffix))
        except VersionError:
            raise AddressError(
                f"'{suffix[:_SHOWN_CHARS]}' in '{text}' is neither a revision number nor a tag; "
                "write DIR@3 or DIR@tag."
            ) from None

    def __str__(self) -> str:
        return str(self.folder) if self.version is None else f"{self.folder}@{self.version}"


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise AddressError(
            f"'{text}' begins with a home folder that is not known; write the bank's whole path."
        ) from None


def parse_version(text: str) -> int | str:
    """A revision's number, or a tag, as a person writes it.

    Raises:
        VersionError: it is neither, or no revision can have so large a number.
    """
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        return int(text)
    if TAG_PATTERN.fullmatch(text):
        return text
    raise VersionError(
        f"'{text[:_SHOWN_CHARS]}' is neither a revision number nor a tag; `freeda bank log` lists both."
    )
