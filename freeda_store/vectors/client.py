"""A client for the Qdrant server that a profile names: how it gets there, and with which key."""

from __future__ import annotations

import os
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freeda_store.errors import SettingsError
from freeda_store.patience import Patience
from freeda_store.profiles.settings import Profile
from freeda_store.vectors.proxies import choose_proxy, passes_by_proxy, without_secret
from freeda_store.vectors.sending import Sender
from freeda_store.vectors.words import Place, expiry

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


def connect_qdrant(profile: Profile) -> QdrantClient:
    """A client for a profile's server; nothing is asked yet.

    Raises:
        SettingsError: the key, the proxy or the authority's file cannot be used.
    """
    key, proxy = profile.api_key(), choose_proxy(profile)
    from qdrant_client import QdrantClient

    place = Place(
        url=profile.qdrant_url,
        proxy=without_secret(proxy) if proxy else "",
        key_variable=profile.qdrant_api_key_env,
        expiry=expiry(key),
        passed_by=passes_by_proxy(profile),
    )
    trusted = _trusted(profile) if place.secure else _nobody()
    way: dict[str, Any] = {"trust_env": False, "proxy": proxy, "verify": trusted}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        client = QdrantClient(
            url=profile.qdrant_url,
            port=place.port,
            api_key=key,
            timeout=profile.timeout_seconds,
            check_compatibility=False,
            **way,
        )
    client.http.client.add_middleware(Sender(place, Patience(profile.retry_seconds)))
    return client


def _trusted(profile: Profile) -> ssl.SSLContext:
    """The authorities that the server's certificate may come from: those of ``ca_file``, or the usual ones.

    Raises:
        SettingsError: the file cannot be read.
    """
    if not profile.ca_file:
        return usual_authorities()
    try:
        return ssl.create_default_context(cafile=Path(profile.ca_file).expanduser())
    except OSError as error:  # SSLError is one
        raise _no_certificates(f"ca_file of profile '{profile.name}'", profile.ca_file) from error


def _nobody() -> ssl.SSLContext:
    """No authority at all, for plain HTTP: reading the usual ones takes longer than to connect."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def usual_authorities() -> ssl.SSLContext:
    """Those of SSL_CERT_FILE and SSL_CERT_DIR, or the ones that most programs trust.

    Raises:
        SettingsError: the file cannot be read.
    """
    import httpx

    try:
        return httpx.create_ssl_context()
    except OSError as error:
        named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR", "")
        raise _no_certificates("SSL_CERT_FILE or SSL_CERT_DIR", named) from error


def _no_certificates(place: str, named: str) -> SettingsError:
    return SettingsError(
        f"{place} names {named}, which holds no certificates that can be read; give a PEM file of the "
        "authority that signed the server's certificate."
    )
