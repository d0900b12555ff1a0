"""Pages of a long list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True)
class Page:
    """Where a page lies.

    Attributes:
        offset: how many come before it.
        limit: how many are on a page.
        total: how many there are in all.
    """

    offset: int
    limit: int
    total: int

    @property
    def end(self) -> int:
        """How many there are up to its end."""
        return min(self.offset + self.limit, self.total)

    @property
    def before(self) -> int | None:
        """The offset of the page before it; None where there is none."""
        return max(0, self.offset - self.limit) if self.offset > 0 else None

    @property
    def after(self) -> int | None:
        """The offset of the page after it; None where there is none."""
        return self.end if self.end < self.total else None

    @property
    def last(self) -> int:
        """The offset of the last page."""
        return max(0, self.total - 1) // self.limit * self.limit

    def inside(self) -> Self:
        """This page; the last one where this one lies past the end."""
        return self if self.offset < self.total or self.offset == 0 else replace(self, offset=self.last)
