"""Prototypes as cards of a page: their pictures are addresses of this server."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from freeda_segment.outputs.cards import CardPictures, ShownPicture
from freeda_store.records import PrototypeInfo


def card_pictures(info: PrototypeInfo) -> CardPictures:
    """A prototype's picture, and where its noun or region is in it; or why there is nothing to show."""
    if not info.picture_key:
        return CardPictures((), "no picture")
    told = f"{info.origin} picture of {info.noun}" if info.noun else f"{info.origin} picture"
    shown = [ShownPicture(thumbnail_address(info.picture_key), told)]
    if info.attribution_key:
        address = thumbnail_address(info.picture_key, info.attribution_key)
        shown.append(ShownPicture(address, f"where {info.noun or 'the region'} is in it"))
    return CardPictures(tuple(shown), "")


def thumbnail_address(picture: str, attribution: str = "") -> str:
    """Where a thumbnail is served, or a picture under its attribution map."""
    query = urlencode({"attribution": attribution}) if attribution else ""
    return f"/thumbnails/{quote(picture)}" + (f"?{query}" if query else "")
