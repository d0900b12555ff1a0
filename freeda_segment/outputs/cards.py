"""Pictures of a prototype as a page shows them, by their addresses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShownPicture:
    """A picture on a page.

    Attributes:
        address: where a browser finds it, or ``data:`` with the picture itself.
        text: what it shows, for those who do not see it.
    """

    address: str
    text: str


@dataclass(frozen=True)
class CardPictures:
    """The pictures of a prototype.

    Attributes:
        shown: in this order.
        lack: what stands in their place where there are none.
    """

    shown: tuple[ShownPicture, ...] = ()
    lack: str = ""
