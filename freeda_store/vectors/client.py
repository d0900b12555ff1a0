"""A client for the Qdrant server that a profile names: how it gets there, and with which key."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from freeda_store.settings import Profile

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def connect_qdrant(profile: Profile) -> QdrantClient:
    """A client for a profile's server; nothing is asked yet.

    Raises:
        SettingsError: the key cannot be used.
    """
    key = profile.api_key()
    from qdrant_client import QdrantClient

    parts = urlsplit(profile.qdrant_url)
    port = parts.port or (443 if parts.scheme == "https" else 6333)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantClient(
            url=profile.qdrant_url,
            port=port,
            api_key=key,
            timeout=profile.timeout_seconds,
            check_compatibility=False,
        )
