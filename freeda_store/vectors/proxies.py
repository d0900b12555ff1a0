"""Which proxy requests to a server go through: none, the environment's, or the one that a profile names.

Through a proxy, https is a tunnel (CONNECT): the proxy learns the host and nothing else. Plain http is
read by the proxy, with the API key, so it goes there only when the profile says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from freeda_store.errors import SettingsError
from freeda_store.profiles.settings import LOOPBACK, Profile

_KINDS = ("http", "https", "socks5", "socks5h")


def choose_proxy(profile: Profile) -> str | None:
    """The URL of the proxy for a profile's server, perhaps with a password in it; None for none.

    Raises:
        SettingsError: the proxy is no proxy's URL, or it would be shown the API key.
    """
    server = urlsplit(profile.qdrant_url)
    if profile.proxy == "none" or (not profile.proxy and server.scheme == "http"):
        return None
    if profile.proxy not in ("", "environment"):
        place, url = f"proxy of profile '{profile.name}'", profile.proxy
    else:
        found = _of_environment(server.scheme, server.hostname or "", server.port)
        if found is None:
            return None
        place, url = found
    url = _checked(place, url)
    parts = urlsplit(url)
    if server.scheme == "http" and parts.hostname not in LOOPBACK and profile.api_key():
        _require_trust(profile, parts.hostname or "")
    return url


def passes_by_proxy(profile: Profile) -> bool:
    """Whether the environment names a proxy that plain http goes past, as the profile does not name it."""
    server = urlsplit(profile.qdrant_url)
    if profile.proxy or server.scheme != "http" or server.hostname in LOOPBACK:
        return False
    return _of_environment("http", server.hostname or "", server.port) is not None


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment names for a URL that is asked without a key; None for none.

    Raises:
        SettingsError: it is no proxy's URL, or cannot be used.
    """
    try:
        server = urlsplit(url)
        found = _of_environment(server.scheme, server.hostname or "", server.port)
    except ValueError:  # the URL is none, which whoever asks it says best
        return None
    return None if found is None else _checked(*found)


def _checked(place: str, url: str) -> str:
    """A proxy's URL that can be used; ``place`` says where it was found."""
    if "://" not in url:
        url = f"http://{url}"
    parts = urlsplit(url)
    if parts.scheme not in _KINDS or not parts.hostname:
        raise SettingsError(
            f"the {place} is no proxy's URL; write http://host:port there, or into the profile "
            'proxy = "none".'
        )
    if parts.scheme.startswith("socks"):
        _require_socks(place)
    return url


def without_secret(proxy: str) -> str:
    """A proxy's URL as messages may show it."""
    parts = urlsplit(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def _of_environment(scheme: str, host: str, port: int | None) -> tuple[str, str] | None:
    """The variable and its URL that the environment names for a host, unless it is excepted."""
    proxies = getproxies_environment()
    kind = scheme if proxies.get(scheme) else "all"
    if not proxies.get(kind) or _excepted(proxies, host, port):
        return None
    return f"variable {kind.upper()}_PROXY", proxies[kind]


def _excepted(proxies: Mapping[str, str], host: str, port: int | None) -> bool:
    """Whether NO_PROXY names a host: as a name, a domain, an address or a network such as 10.0.0.0/8."""
    entries = [entry.strip().lower() for entry in proxies.get("no", "").split(",")]
    return any(_names(entry, host.lower(), port) for entry in entries if entry)


def _names(entry: str, host: str, port: int | None) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # one of them is a name
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and name:
        entry = name.strip("[]")
        if port is not None and int(wanted) != port:
            return False
    domain = entry.lstrip("*").lstrip(".")
    return entry == "*" or (bool(domain) and (host == domain or host.endswith(f".{domain}")))


def _require_socks(place: str) -> None:
    try:
        import socksio  # noqa: F401 - httpx looks for it
    except ImportError as error:
        raise SettingsError(
            f"the {place} is a SOCKS proxy, which needs socksio; `pip install 'freeda[socks]'`, or write "
            'proxy = "none" into the profile.'
        ) from error


def _require_trust(profile: Profile, proxy_host: str) -> None:
    if not profile.allow_plain_http:
        raise SettingsError(
            f"profile '{profile.name}' would show its API key to the proxy {proxy_host}, for "
            f"{profile.qdrant_url} has no TLS; use https, or set allow_plain_http = true inside a network "
            "that you trust."
        )
