"""Pictures and attribution maps of prototypes. They are named by their content, so browsers may keep them."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Response
from PIL import Image

from freeda_store.thumbnails.folder import KEY_PATTERN
from freeda_store.views.contact_sheet import SIDE, overlay_attribution
from freeda_studio.models import WEBP
from freeda_studio.studio import Held

router = APIRouter(tags=["thumbnails"])

Key = Annotated[str, Path(pattern=f"^{KEY_PATTERN.pattern}$")]
Attribution = Annotated[str, Query(pattern=f"^({KEY_PATTERN.pattern})?$")]
_KEPT = {"cache-control": "private, max-age=31536000, immutable"}


@router.get("/thumbnails/{key:path}", response_class=Response, responses=WEBP)
def thumbnail(studio: Held, key: Key, attribution: Attribution = "") -> Response:
    """A picture, or with ``attribution`` the picture under that map, WebP."""
    bank = studio.engine.bank
    picture = bank.thumbnail(key).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    if attribution:
        heat = bank.thumbnail(attribution).convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture = Image.fromarray(overlay_attribution(np.asarray(picture), np.asarray(heat)))
    buffer = BytesIO()
    picture.save(buffer, format="WEBP", quality=85, method=2)
    return Response(buffer.getvalue(), media_type="image/webp", headers=_KEPT)
