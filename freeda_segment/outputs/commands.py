"""Commands that go on from a result, on one line for a shell, as pages offer them to be copied."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Commands:
    """What may be asked or changed next.

    Attributes:
        explain: words of ``freeda explain`` that give the same labels, without a place.
        learn: words of ``freeda learn`` for the picture, without place and name, and
        roll_back: words of ``freeda bank rollback``, without a revision: both empty where the bank cannot be
            changed, as one at a version.
    """

    explain: tuple[str, ...]
    learn: tuple[str, ...] = ()
    roll_back: tuple[str, ...] = ()

    @property
    def pointing(self) -> str:
        """Explain a region: a line that lacks only its pixel, ``x,y``."""
        return shell_line([*self.explain, "--at"]) + " "

    def explain_all(self) -> str:
        """Explain the largest region of each class."""
        return shell_line(self.explain)

    def explain_at(self, place: tuple[int, int]) -> str:
        """Explain the region at a pixel (x, y)."""
        return shell_line([*self.explain, *_at(place)])

    def retire(self, place: tuple[int, int], prototype: UUID) -> str:
        """Retire a prototype, and show what that changes for the region at a pixel (x, y)."""
        return shell_line([*self.explain, *_at(place), "--retire", str(prototype)])

    def learning(self, place: tuple[int, int]) -> str:
        """Learn the region at a pixel (x, y): a line that lacks only the name of its class."""
        return shell_line([*self.learn, *_at(place), "--as"]) + " "

    def roll_back_to(self, revision: int) -> str:
        """Show again what the bank showed at a revision."""
        return shell_line([*self.roll_back, str(revision)])


def shell_line(words: Sequence[str]) -> str:
    """Words as a line that bash, zsh and other shells read back as they are, whatever they hold.

    It has no line breaks and no control characters: words that have any, or that are not UTF-8, are written
    ``$'...'`` with their bytes.
    """
    return " ".join(shlex.quote(word) if word.isprintable() else _bytes_word(word) for word in words)


def file_word(path: str | os.PathLike[str]) -> str:
    """A file as a word that is not taken for an option."""
    text = os.fspath(path)
    return f"./{text}" if text.startswith("-") else text


def _at(place: tuple[int, int]) -> tuple[str, str]:
    return "--at", f"{place[0]},{place[1]}"


def _bytes_word(word: str) -> str:
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}"
        for byte in word.encode("utf-8", "surrogateescape")
    )
    return f"$'{''.join(plain)}'"
