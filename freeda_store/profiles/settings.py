"""The settings file: profiles, each of which names a hosted bank.

``~/.config/freeda/settings.toml``, or the file that FREEDA_SETTINGS names::

    [profiles.team]
    qdrant_url = "https://qdrant.example.org"
    sql_url = "postgresql://freeda@db.example.org/freeda"
    thumbnails = "s3://freeda-team/thumbnails"

Environment variables win over the file: ``FREEDA_PROFILES__TEAM__QDRANT_URL``. Secrets are read from
the environment only, when they are used; a file that holds one is refused.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings.exceptions import SettingsError as SourceError

from freeda_errors.documents import Text, fault_of
from freeda_store.errors import SettingsError
from freeda_store.profiles.settings_path import settings_path

_SECRET_WORDS = re.compile(r"key|password|passwd|secret|token")
_SECRET_PARAMETERS = re.compile(r"password|passwd|secret|token|api.?key")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
"""Hosts that are this machine."""


class Profile(BaseModel):
    """Where a hosted bank is. Without ``sql_url`` it can only be read.

    Attributes:
        name: the profile's own, as addresses give it.
        qdrant_url: of the server; without a port, 443 is meant with https and 6333 with http.
        qdrant_api_key_env: name of the variable that holds the API key, read-write or read-only.
        collection: the bank's name on the server; the profile's own name when not given.
        sql_url: ``postgresql://user@host/database``, without a password; empty for readers.
        sql_password_env: name of the variable that holds the password.
        thumbnails: folder or fsspec URL (s3://, https:// to read only); empty for none.
        timeout_seconds: how long one request to Qdrant may take.
        retry_seconds: how long a server or database that is away is waited for; 0 for no second try.
        request_bytes: the largest request to Qdrant, unless a single point is larger.
        allow_plain_http: send the key to another machine without TLS.
        proxy: URL of one; "environment" for that of the environment also with http, "none" for none ever.
        ca_file: certificates (PEM) of the authority that signed the server's; empty for the usual ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Text = ""
    qdrant_url: Text
    qdrant_api_key_env: str = "FREEDA_QDRANT_API_KEY"
    collection: str = ""
    sql_url: Text = ""
    sql_password_env: str = "FREEDA_SQL_PASSWORD"  # noqa: S105 - the name of a variable
    thumbnails: Text = ""
    timeout_seconds: int = Field(default=60, ge=1, le=3600)
    retry_seconds: float = Field(default=300, ge=0, le=86400)
    request_bytes: int = Field(default=900_000, ge=10_000, le=32_000_000)
    allow_plain_http: bool = False
    proxy: Text = ""
    ca_file: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _no_secret_field(cls, values: Any) -> Any:
        for field in values if isinstance(values, dict) else ():
            if _SECRET_WORDS.search(str(field).lower()) and not str(field).lower().endswith("_env"):
                raise ValueError(
                    f"'{field}' would hold a secret; put the secret into an environment variable, whose "
                    "name qdrant_api_key_env or sql_password_env gives, and remove it here"
                )
        return values

    @field_validator("qdrant_url", "sql_url", "thumbnails", "proxy")
    @classmethod
    def _no_secret_in_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError("it is no URL that can be read") from None
        named = [name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
        if parts.password is not None or any(_SECRET_PARAMETERS.search(name) for name in named):
            raise ValueError(
                "the URL holds a password or key; put it into an environment variable, whose name "
                "qdrant_api_key_env or sql_password_env gives, and remove it here"
            )
        return value

    @field_validator("qdrant_url")
    @classmethod
    def _is_web_url(cls, value: str) -> str:
        if not _is_url(value, "http", "https") or not urlsplit(value).hostname:
            raise ValueError("expected http://host:port or https://host, the port from 1 to 65535")
        parts = urlsplit(value)
        if parts.path.rstrip("/").endswith("/dashboard"):
            raise ValueError("this is the address of the web page; write it without /dashboard")
        if parts.query or parts.fragment:
            raise ValueError("expected nothing after the path: no ? and no #")
        return value

    @field_validator("proxy")
    @classmethod
    def _is_proxy(cls, value: str) -> str:
        if value in ("", "environment", "none"):
            return value
        if not _is_url(value, *_PROXY_SCHEMES) or not urlsplit(value).hostname:
            raise ValueError('expected http://host:port, "environment" or "none"')
        return value

    @field_validator("sql_url")
    @classmethod
    def _is_postgres(cls, value: str) -> str:
        if value and not _is_url(value, "postgresql", "postgres", "postgresql+psycopg"):
            raise ValueError("expected postgresql://user@host/database, a port from 1 to 65535")
        return value

    @field_validator("qdrant_api_key_env", "sql_password_env")
    @classmethod
    def _is_variable(cls, value: str) -> str:
        if not _VARIABLE.fullmatch(value):
            raise ValueError(
                "expected the name of an environment variable in capitals, not the secret itself"
            )
        return value

    @field_validator("collection")
    @classmethod
    def _is_name(cls, value: str) -> str:
        if value and not _NAME.fullmatch(value):
            raise ValueError("expected letters, digits, '.', '_' and '-'")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Profile:
        if self.sql_url and not self.thumbnails:
            raise ValueError("a profile with sql_url writes, and needs thumbnails too: a folder or s3://")
        return self

    def api_key(self) -> str | None:
        """The API key from the environment; None when the variable is not set.

        Raises:
            SettingsError: it cannot be sent as a header, or would be sent without TLS.
        """
        key = _secret(self.qdrant_api_key_env)
        parts = urlsplit(self.qdrant_url)
        if key and parts.scheme == "http" and parts.hostname not in LOOPBACK and not self.allow_plain_http:
            raise SettingsError(
                f"profile '{self.name}' would send its API key to {parts.hostname} without TLS; use https, "
                "or set allow_plain_http = true inside a network that you trust."
            )
        return key

    def sql_password(self) -> str | None:
        """The SQL password from the environment; None when the variable is not set."""
        return _secret(self.sql_password_env)


class Settings(BaseSettings):
    """All settings.

    Attributes:
        profiles: by name.
        cache_dir: folder of what hosted banks sent; empty for ``freeda`` in the user's folder for caches.
        cache_mb: how large it may get, in millions of bytes; 0 keeps nothing.
        defaults: of the command line's options, which reads and checks them itself.
    """

    model_config = SettingsConfigDict(
        env_prefix="FREEDA_", env_nested_delimiter="__", extra="forbid", hide_input_in_errors=True
    )

    profiles: dict[str, Profile] = Field(default_factory=dict)
    cache_dir: str = ""
    cache_mb: int = Field(default=2000, ge=0)
    defaults: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the file."""
        return env_settings, TomlConfigSettingsSource(settings_cls, toml_file=settings_path())


def load_settings() -> Settings:
    """Read the settings file and the environment.

    Raises:
        SettingsError: names the file, the field and what was expected; never a value.
    """
    path = settings_path()
    if "FREEDA_SETTINGS" in os.environ and not path.is_file():
        raise SettingsError(
            f"FREEDA_SETTINGS names {path}, which is no file; make it, or unset the variable."
        )
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        reason = f"it is not valid TOML: {error}"
    except ValidationError as error:
        reason = fault_of(error, values=False)
    except OSError as error:
        reason = f"it cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "the file is not UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except SourceError:
        reason = "a FREEDA_PROFILES variable is not valid JSON"
    except ValueError:
        reason = "it holds a number with too many digits"
    raise SettingsError(f"the settings in {path} (or FREEDA_PROFILES__...) are wrong: {reason}.")


def load_profile(name: str) -> Profile | None:
    """The profile of a name, its collection filled in; None when there is none.

    Raises:
        SettingsError: the settings cannot be read.
    """
    profile = load_settings().profiles.get(name)
    if profile is None:
        return None
    return profile.model_copy(update={"name": name, "collection": profile.collection or name})


def _is_url(value: str, *schemes: str) -> bool:
    """Whether it has one of the schemes, and a port that there is, or none."""
    parts = urlsplit(value)
    try:
        return parts.scheme in schemes and parts.port != 0
    except ValueError:  # a port of letters, or beyond 65535
        return False


def _secret(variable: str) -> str | None:
    value = os.environ.get(variable, "").strip()
    if not all("!" <= character <= "~" for character in value):
        raise SettingsError(
            f"the secret in {variable} holds a space or a character that is not plain ASCII; set it again."
        )
    return value or None


def plain_path(url: str) -> Path | None:
    """The folder that a thumbnails setting means; None when it is a URL of another kind."""
    if url.startswith("file://"):
        return Path(url.removeprefix("file://"))
    return None if "://" in url else Path(os.path.expanduser(url))  # noqa: PTH111
