"""``/api/v1/pictures``: the shelf, and what is asked of one picture."""

from __future__ import annotations

from io import BytesIO
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Response, UploadFile
from PIL import Image

from freeda_segment.errors import ImageError
from freeda_segment.outputs.explanation_json import explanation_document
from freeda_segment.regions.sampling import resized_nearest
from freeda_studio.engine import classes_of
from freeda_studio.models import (
    PNG,
    WEBP,
    ClassesAsked,
    DroppedModel,
    PictureModel,
    PixelAsked,
    SegmentedModel,
)
from freeda_studio.shelf import VIEW_SIDE, Shelf, ShelfPicture, view_size
from freeda_studio.studio import Client, Held

router = APIRouter(prefix="/api/v1/pictures", tags=["pictures"])


@router.get("")
def pictures(studio: Held) -> list[PictureModel]:
    """The pictures of the shelf."""
    return [described(studio.engine.shelf, each) for each in studio.engine.shelf.all()]


@router.post("")
def drop(studio: Held, files: Annotated[list[UploadFile], File()]) -> list[DroppedModel]:
    """Put pictures on the shelf; one that cannot be read is told of, and the others are kept."""
    return [_dropped(studio.engine.shelf, each) for each in files]


@router.delete("/{picture}", status_code=204)
def remove(studio: Held, picture: str) -> None:
    """Take a dropped picture away."""
    studio.engine.shelf.remove(picture)
    studio.engine.forget(picture)


@router.get("/{picture}/view", response_class=Response, responses=WEBP)
def view(studio: Held, picture: str, side: int = VIEW_SIDE) -> Response:
    """The picture as a browser shows it, WebP, its longest side at most ``side``."""
    return Response(studio.engine.shelf.view(picture, side), media_type="image/webp")


@router.post("/{picture}/segmentation")
def segmentation(studio: Held, client: Client, picture: str, asked: ClassesAsked) -> SegmentedModel:
    """Label a picture; of what was asked before the answer is remembered."""
    classes = classes_of(asked.classes)
    model = SegmentedModel.of(picture, studio.engine.segment(picture, classes, client))
    model.notes[:0] = classes.notes
    return model


@router.post("/{picture}/labels", response_class=Response, responses=PNG)
def labels(studio: Held, client: Client, picture: str, asked: ClassesAsked) -> Response:
    """The label map at the size of the view: PNG whose red and green are label + 1, low and high byte."""
    made = studio.engine.segment(picture, classes_of(asked.classes), client)
    shown = resized_nearest(made.labels, view_size(made.size_hw)).astype(np.int32) + 1
    pixels = np.zeros((*shown.shape, 3), dtype=np.uint8)
    pixels[..., 0], pixels[..., 1] = shown & 255, shown >> 8
    return _png(pixels)


@router.post("/{picture}/region", response_class=Response, responses=PNG)
def region(studio: Held, client: Client, picture: str, asked: PixelAsked) -> Response:
    """The region at a pixel, at the size of the view: grey PNG, 255 inside."""
    made = studio.engine.segment(picture, classes_of(asked.classes), client)
    mask = made.mask_at(asked.x, asked.y)
    return _png(resized_nearest(mask, view_size(made.size_hw)).astype(np.uint8) * 255)


@router.post("/{picture}/explanation")
def explanation(studio: Held, client: Client, picture: str, asked: PixelAsked) -> dict[str, Any]:
    """Why the region at a pixel has its label: the document that ``freeda explain`` writes."""
    classes = classes_of(asked.classes)
    explained = studio.engine.explain(picture, classes, asked.x, asked.y, client)
    made = studio.engine.segment(picture, classes, client)
    return explanation_document(studio.engine.shelf.find(picture).name, made, [explained])


def described(shelf: Shelf, picture: ShelfPicture) -> PictureModel:
    """A picture as the API and the page show it."""
    model = PictureModel(id=picture.id, name=picture.name, dropped=picture.dropped)
    try:
        model.height, model.width = shelf.size_hw(picture)
    except ImageError as error:
        model.error = str(error)
    return model


def _dropped(shelf: Shelf, file: UploadFile) -> DroppedModel:
    name = file.filename or "picture"
    try:
        return DroppedModel(name=name, picture=described(shelf, shelf.add(name, file.file.read())))
    except ImageError as error:
        return DroppedModel(name=name, error=str(error))


def _png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Response:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=1)
    return Response(buffer.getvalue(), media_type="image/png")
