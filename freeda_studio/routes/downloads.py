"""``/api/v1``: pictures of the shelf in the formats of the command line."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import StreamingResponse

from freeda_segment.outputs.formats import FORMATS
from freeda_segment.outputs.runs import RUN_FORMATS
from freeda_studio.downloads import LABELS_OF_FORMATS, Download, Downloads
from freeda_studio.engine import classes_of
from freeda_studio.models import ClassesAsked
from freeda_studio.studio import Client, Held

router = APIRouter(prefix="/api/v1", tags=["downloads"])

_MOST_FIELDS = 2100


class FormatModel(BaseModel):
    """A format; those of a run hold several pictures and come as an archive."""

    name: str
    label: str
    of_run: bool


class DownloadAsked(ClassesAsked):
    """Classes to label with, and the name of a format."""

    format: str = Field(max_length=100)


async def _asked(request: Request) -> DownloadAsked:
    """A form with several fields ``classes``, as pages send it, or JSON."""
    try:
        if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
            return DownloadAsked.model_validate_json(await request.body())
        async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
            fields = {name: form.get(name) for name in form if name != "classes"}
            return DownloadAsked.model_validate({**fields, "classes": form.getlist("classes")})
    except ValidationError as error:
        told = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(told) from error


Asked = Annotated[DownloadAsked, Depends(_asked)]
_SCHEMA = DownloadAsked.model_json_schema()
_TAKES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": _SCHEMA} for kind in ("application/x-www-form-urlencoded", "application/json")
        },
    }
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file, as an attachment.", "content": {"application/octet-stream": {}}}
}


@router.get("/formats")
def formats() -> list[FormatModel]:
    """The formats, those of single pictures first."""
    return [
        FormatModel(name=name, label=LABELS_OF_FORMATS[name], of_run=name in RUN_FORMATS)
        for name in (*FORMATS, *RUN_FORMATS)
    ]


@router.post(
    "/pictures/{picture}/download", response_class=StreamingResponse, responses=_FILE, openapi_extra=_TAKES
)
def download(studio: Held, client: Client, picture: str, asked: Asked) -> StreamingResponse:
    """A picture in a format; an archive for a format of a run."""
    made = Downloads(studio.engine).one(picture, classes_of(asked.classes), asked.format, client)
    return _answer(made)


@router.post("/download", response_class=StreamingResponse, responses=_FILE, openapi_extra=_TAKES)
def download_all(studio: Held, client: Client, asked: Asked) -> StreamingResponse:
    """All pictures of the shelf in a format, as an archive; ``failed.txt`` in it names those left out."""
    return _answer(Downloads(studio.engine).all(classes_of(asked.classes), asked.format, client))


def _answer(made: Download) -> StreamingResponse:
    return StreamingResponse(made.chunks(), headers=made.headers)
