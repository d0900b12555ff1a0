"""What a failed request to a Qdrant server means, in one sentence with advice."""

from __future__ import annotations

import base64
import html
import json
import re
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

_PORTS = {6334: "gRPC's port of Qdrant", 5432: "PostgreSQL's port"}
_PROBE_SECONDS = 3.0
_DISK_FULL = re.compile(
    r"no space left|disk (is )?full|out of disk|insufficient disk|not enough (disk )?space", re.I
)
_NO_INDEX = re.compile(r"index required|requires an? (payload )?index", re.I)


@dataclass(frozen=True)
class Place:
    """Where a server is, and how it is reached; nothing here is secret.

    Attributes:
        url: of the server.
        proxy: the proxy on the way, without its password; empty for none.
        key_variable: name of the variable that holds the key.
        expiry: when the key expires, if it is a token that does.
        passed_by: whether the environment names a proxy that is not used.
    """

    url: str
    proxy: str = ""
    key_variable: str = "FREEDA_QDRANT_API_KEY"
    expiry: datetime | None = None
    passed_by: bool = False

    @property
    def port(self) -> int:
        """That the URL names, or means."""
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 6333)

    @property
    def secure(self) -> bool:
        """Whether it is https."""
        return urlsplit(self.url).scheme == "https"


def expiry(key: str | None) -> datetime | None:
    """When a key that is an access token (JWT) expires; None when it does not, or is a plain key."""
    parts = (key or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError, OSError):
        return None


def hopeless(error: BaseException) -> bool:
    """Whether a failure to connect is one that waiting does not cure."""
    import httpx

    if isinstance(error, httpx.RemoteProtocolError):
        return "disconnected" not in str(error) and "closed" not in str(error)
    return any(
        isinstance(cause, ssl.SSLError) and not isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
        for cause in _causes(error)
    )


def failure(place: Place, error: BaseException) -> str:
    """Why no answer came."""
    import httpx

    said, chain = str(error), list(_causes(error))
    if isinstance(error, httpx.ProxyError):
        return (
            f"the proxy {place.proxy} did not let the request to {place.url} through ({_line(said)}); "
            "correct the proxy setting or HTTPS_PROXY, except the host in NO_PROXY, or set "
            'proxy = "none" in the profile.'
        )
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return _tls(place, cause)
        if isinstance(cause, socket.gaierror):
            return (
                f"no machine is known by the host's name in {_target(place)}; correct the name, or check the "
                f"network{_other_way(place)}."
            )
    if isinstance(error, httpx.ConnectTimeout):
        return (
            f"{_target(place)} did not answer in time; check the host's name and port, and that no firewall "
            f"stands between{_other_way(place)}."
        )
    if isinstance(error, httpx.ConnectError):
        return (
            f"{_target(place)} cannot be reached ({_reason(error)}); check that Qdrant runs there, and the "
            f"host and port in qdrant_url{_other_port(place)}{_other_way(place)}."
        )
    if isinstance(error, httpx.TimeoutException):
        return (
            f"{place.url} took longer than timeout_seconds to answer; see whether it is overloaded, or raise "
            "timeout_seconds in the profile."
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return _no_http(place, said)
    if _speaks_tls(place):
        return _write_https(place)
    return f"the connection to {place.url} broke ({_reason(error)}); check the network, then repeat."


def _tls(place: Place, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message or "certificate verify failed"
        if "expired" in reason or "not yet valid" in reason:
            advice = "renew it on the server, or set this machine's clock"
        elif "match" in reason or "mismatch" in reason:
            advice = "use the name that the certificate is for in qdrant_url"
        else:
            advice = "name its authority's file in ca_file of the profile, or in SSL_CERT_FILE"
        return f"the certificate of {place.url} is not trusted ({_line(reason)}); {advice}."
    if error.reason in (
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "HTTP_REQUEST",
    ):
        other = _other_port(place)
        return f"{place.url} does not speak TLS; if Qdrant listens there, write http:// in qdrant_url{other}."
    reason = _line(error.reason or str(error))
    return f"no TLS connection to {place.url} came about ({reason}); check the server's TLS."


def _no_http(place: Place, said: str) -> str:
    if _speaks_tls(place):
        return _write_https(place)
    other = _other_port(place)
    guess = (
        other[2:]
        if other
        else "is it the port of gRPC (6334) or of another program? Qdrant's REST port is 6333"
    )
    return f"{place.url} did not answer as a web server does ({_line(said)}); check the port: {guess}."


def _speaks_tls(place: Place) -> bool:
    """Whether a server that was asked in plain http takes a TLS handshake. Nothing else is sent."""
    if place.secure or place.proxy:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = (urlsplit(place.url).hostname or "", place.port)
    try:
        with (
            socket.create_connection(address, timeout=_PROBE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=address[0]),
        ):
            return True
    except (OSError, ValueError):
        return False


def _write_https(place: Place) -> str:
    return f"{place.url} speaks TLS; write https:// in qdrant_url."


def page(place: Place, status: int, content: bytes, location: str = "") -> str:
    """What an answer means that is a web page, or sends elsewhere."""
    text = content[:4000].decode("utf-8", "replace")
    if location:
        return f"{place.url} sends to {_bare(location)}; write that into qdrant_url if Qdrant is there."
    if re.search(r"http request to an? https|plain http request", text, re.I):
        return _write_https(place)
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
    shown = f"the web page '{_line(html.unescape(title.group(1)))[:80]}'" if title else "what is no JSON"
    if status == 413:
        return too_large(place)
    whose = f"the proxy {place.proxy} or a gateway" if place.proxy else "a gateway, or another program,"
    return (
        f"{whose} answered in place of Qdrant at {place.url}: status {status} with {shown}; "
        "check qdrant_url, and that the gateway passes requests on to Qdrant."
    )


def strange(place: Place) -> str:
    """An answer in JSON, but not in Qdrant's shape."""
    return (
        f"{place.url} answers, but not as Qdrant does; check the host, port and path in qdrant_url"
        f"{_other_port(place)}."
    )


def too_large(place: Place) -> str:
    """A request was larger than something between allows."""
    return (
        f"a gateway before {place.url} refuses a request as too large (413); set request_bytes in the "
        "profile below its limit, or raise the limit (nginx: client_max_body_size)."
    )


def refusal(place: Place | None, collection: str, status: int | None, said: str) -> str:
    """Why a server that understood a request refused it."""
    reason = f"{status}: {said}" if status else said
    where = f" at {place.url}" if place else ""
    begin = f"the Qdrant collection '{collection}' refused a request{where} ({reason}); "
    if _DISK_FULL.search(said):
        return f"{begin}the disk of Qdrant's server is full: free room there, then repeat."
    if status == 413 and place:
        return too_large(place)
    if status == 400 and _NO_INDEX.search(said):
        return f"{begin}an index is missing: `freeda bank verify --repair` makes it again."
    return f"{begin}{_advice(place, status)}."


def _advice(place: Place | None, status: int | None) -> str:
    if status in (401, 403):
        return _key_advice(place)
    if status == 404:
        return "check collection and qdrant_url in the profile"
    if status == 429 or (status or 0) >= 500:
        return "look into the server's log, then repeat"
    return "check the server and its version"


def _key_advice(place: Place | None) -> str:
    variable = place.key_variable if place else "that the profile names"
    if place and place.expiry and place.expiry < datetime.now(UTC):
        when = place.expiry.strftime("%Y-%m-%d %H:%M UTC")
        return f"the token in {variable} expired at {when}; ask for a new one"
    return f"set the API key in the variable {variable}; writing needs a read-write key"


def _target(place: Place) -> str:
    return f"the proxy {place.proxy} on the way to {place.url}" if place.proxy else place.url


def _other_port(place: Place) -> str:
    what = _PORTS.get(place.port)
    return f"; port {place.port} is usually {what}, and Qdrant's REST port 6333" if what else ""


def _other_way(place: Place) -> str:
    if not place.passed_by:
        return ""
    return '; plain http goes past the environment\'s proxy unless the profile says proxy = "environment"'


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return _line(str(error)) or type(error).__name__


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return (
        f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        if parts.hostname
        else "/"
    )


def _line(text: str) -> str:
    return " ".join(text.split())
