"""One string addresses a bank: a folder ``DIR`` or a ``PROFILE``, with ``@3`` (revision 3) or ``@tag``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from freeda_store.errors import AddressError

TAG_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
"""What a tag may be called: a letter, then letters, digits, dot, underscore, hyphen."""


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
        whole = Path(text).expanduser()
        if "@" not in whole.name or whole.is_dir():
            return cls(whole)
        folder, _, suffix = text.rpartition("@")
        if suffix.isascii() and suffix.isdigit():
            return cls(Path(folder).expanduser(), int(suffix))
        if TAG_PATTERN.fullmatch(suffix):
            return cls(Path(folder).expanduser(), suffix)
        raise AddressError(
            f"'{suffix}' in '{text}' is neither a revision number nor a tag; write DIR@3 or DIR@tag."
        )

    def __str__(self) -> str:
        return str(self.folder) if self.version is None else f"{self.folder}@{self.version}"
