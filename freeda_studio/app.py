"""The application of a studio: its routes, its guard, and how errors are answered."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from freeda.version import __version__
from freeda_errors import FreedaError
from freeda_segment.errors import ImageError, NoPrototypesError
from freeda_store.errors import (
    BankInUseError,
    PrototypeMissingError,
    ReadOnlyBankError,
    ReadOnlyViewError,
    RevisionMissingError,
    ThumbnailMissingError,
)
from freeda_studio.answers import ErrorModel, error_answer
from freeda_studio.describing import completed
from freeda_studio.errors import BusyError, MissingError, ReadOnlyStudioError, StaleError, TooLargeError
from freeda_studio.rendering import STATIC
from freeda_studio.routes import ROUTERS
from freeda_studio.safety import HEADERS, Guard
from freeda_studio.studio import Studio

logger = logging.getLogger(__name__)

API = "/api/v1"

_THREADS = 400
"""Requests that are answered at once; most of them only wait."""

_STATUS: tuple[tuple[type[FreedaError] | tuple[type[FreedaError], ...], HTTPStatus], ...] = (
    (
        (MissingError, PrototypeMissingError, RevisionMissingError, ThumbnailMissingError),
        HTTPStatus.NOT_FOUND,
    ),
    ((BusyError, StaleError, BankInUseError), HTTPStatus.CONFLICT),
    ((ReadOnlyStudioError, ReadOnlyBankError, ReadOnlyViewError), HTTPStatus.FORBIDDEN),
    (TooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ((ImageError, NoPrototypesError), HTTPStatus.UNPROCESSABLE_ENTITY),
)


class _App(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The description of the API."""
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema


def make_app(studio: Studio) -> FastAPI:
    """The application of a studio that is open."""
    app = _App(
        title="freeda studio",
        version=__version__,
        description="Segment pictures with a bank, see why, and correct it.",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        responses={"default": {"model": ErrorModel, "description": "What went wrong."}},
        lifespan=_with_room,
    )
    app.state.studio = studio
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_exception_handler(FreedaError, _known_error)
    app.add_exception_handler(RequestValidationError, _misread_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)
    app.add_middleware(Guard, studio.access, studio.settings.limits.request_bytes)
    return app


@asynccontextmanager
async def _with_room(_: FastAPI) -> AsyncIterator[None]:
    """Let those who wait for a turn at the networks keep nobody else from being answered."""
    current_default_thread_limiter().total_tokens = _THREADS
    yield


def status_of(error: FreedaError) -> HTTPStatus:
    """How a request that met an error is answered."""
    for kinds, status in _STATUS:
        if isinstance(error, kinds):
            return status
    return HTTPStatus.UNPROCESSABLE_ENTITY if error.exit_code == 2 else HTTPStatus.INTERNAL_SERVER_ERROR


def _known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FreedaError)
    return error_answer(request.headers, status_of(error), str(error))


def _misread_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return error_answer(request.headers, HTTPStatus.UNPROCESSABLE_ENTITY, f"{place}: {first['msg']}.")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = error_answer(request.headers, error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    return answer


def _unexpected_error(request: Request, error: Exception) -> Response:
    """Answered outside the guard, so it says itself what every answer says."""
    logger.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    told = f"something unexpected went wrong ({type(error).__name__}); the server's log has more."
    answer = error_answer(request.headers, HTTPStatus.INTERNAL_SERVER_ERROR, told)
    answer.headers.update(HEADERS)
    return answer
