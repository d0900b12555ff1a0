"""Looking at thumbnails when some of them are gone: what cannot be shown is named instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from freeda_store.errors import (
    BankError,
    ThumbnailAbsentError,
    ThumbnailDamagedError,
    ThumbnailKeyError,
    ThumbnailMissingError,
)

if TYPE_CHECKING:
    from PIL import Image

_REASONS: tuple[tuple[type[BankError], str], ...] = (
    (ThumbnailAbsentError, "no picture"),
    (ThumbnailMissingError, "picture missing"),
    (ThumbnailDamagedError, "picture damaged"),
    (ThumbnailKeyError, "picture missing"),
)


class ThumbnailSource(Protocol):
    """Where pictures and attribution maps come from; :class:`freeda_store.Bank` is one."""

    def thumbnail(self, key: str, /) -> Image.Image:
        """A picture or attribution map by its key."""


def look(source: ThumbnailSource, key: str, side: int) -> tuple[Image.Image | None, str]:
    """A thumbnail to show, or the words to put in its place.

    Args:
        source: where it is.
        key: its key; empty where no picture was kept.
        side: its side in pixels, to which it is stretched.

    Returns:
        The RGB picture and ``""``; or None and ``no picture`` (none was kept), ``picture missing``
        or ``picture damaged``.
    """
    from PIL import Image

    try:
        thumbnail = source.thumbnail(key)
    except tuple(kind for kind, _ in _REASONS) as error:
        return None, next(reason for kind, reason in _REASONS if isinstance(error, kind))
    return thumbnail.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), ""


class WatchedThumbnails(ThumbnailSource):
    """A :class:`ThumbnailSource` that remembers which thumbnails were missing or damaged.

    Prototypes that were stored without a picture do not count: nothing is wrong with them.
    """

    def __init__(self, source: ThumbnailSource) -> None:
        self._source = source
        self._missing: set[str] = set()
        self._damaged: set[str] = set()

    @override
    def thumbnail(self, key: str, /) -> Image.Image:
        try:
            return self._source.thumbnail(key)
        except ThumbnailAbsentError:
            raise
        except (ThumbnailMissingError, ThumbnailKeyError):
            self._missing.add(key)
            raise
        except ThumbnailDamagedError:
            self._damaged.add(key)
            raise

    def warnings(self) -> list[str]:
        """One line for each kind of fault, for people; empty when every thumbnail was there."""
        counted = (("missing", self._missing), ("damaged", self._damaged))
        return [
            f"{len(keys):,} {'thumbnail is' if len(keys) == 1 else 'thumbnails are'} {what} and not shown; "
            "`freeda bank verify` lists what is wrong."
            for what, keys in counted
            if keys
        ]
