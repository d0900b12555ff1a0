"""What the API takes and gives."""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from freeda_learn.marks import Marks
from freeda_segment.outputs.palette import hex_colours
from freeda_segment.result import Segmentation
from freeda_studio.shelf import view_size
from freeda_studio.writing import Change

PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
WEBP: dict[int | str, dict[str, Any]] = {200: {"content": {"image/webp": {}}}}
"""What answers that are pictures are, for the description of the API."""


class Asked(BaseModel):
    """What a request says; what it says beyond that is refused."""

    model_config = ConfigDict(extra="forbid")


class ClassesAsked(Asked):
    """Classes to label a picture with, each as on the command line: ``car|automobile``."""

    classes: list[str] = Field(max_length=2000)


class PixelAsked(ClassesAsked):
    """A pixel of the original picture, column and row from 0."""

    x: int
    y: int


class RetireAsked(Asked):
    """Prototypes to hide from a new revision on, and why."""

    ids: list[UUID] = Field(min_length=1, max_length=10_000)
    message: str = Field("", max_length=1000)


class LearnAsked(Asked):
    """What is marked in a picture of the shelf, and what it is."""

    picture: str
    name: str = Field(max_length=400)
    at: list[tuple[int, int]] = Field(default_factory=list, max_length=100)
    not_at: list[tuple[int, int]] = Field(default_factory=list, max_length=100)
    boxes: list[tuple[int, int, int, int]] = Field(default_factory=list, max_length=100)
    whole: bool = False
    by: str | None = Field(None, max_length=200)

    def marks(self) -> Marks:
        """The marks.

        Raises:
            MarkError: nothing is marked.
        """
        return Marks(tuple(self.at), tuple(self.boxes), tuple(self.not_at), whole=self.whole)


class RollbackAsked(Asked):
    """The revision to show again, by number or tag.

    ``seen`` is the revision that whoever asks has looked at: if the bank shows another one, nothing is done.
    """

    version: int | str
    message: str = Field("", max_length=1000)
    seen: int | None = None


class PictureModel(BaseModel):
    """A picture of the shelf; without a size where it cannot be read, and ``error`` says why."""

    id: str
    name: str
    dropped: bool
    width: int = 0
    height: int = 0
    error: str = ""


class DroppedModel(BaseModel):
    """What became of one file that was sent."""

    name: str
    picture: PictureModel | None = None
    error: str = ""


class ShareModel(BaseModel):
    """What one class got of a picture."""

    index: int
    name: str
    texts: tuple[str, ...]
    colour: str
    pixels: int
    area: float
    score: float | None


class SegmentedModel(BaseModel):
    """A labelled picture; its label map is a request of its own."""

    picture: str
    width: int
    height: int
    view_width: int
    view_height: int
    revision: int | None
    classes: list[ShareModel]
    other_area: float
    summary: str
    notes: list[str]

    @classmethod
    def of(cls, picture: str, segmentation: Segmentation) -> Self:
        """The labels of a picture of the shelf."""
        colours = hex_colours(len(segmentation.shares))
        height, width = segmentation.size_hw
        view_height, view_width = view_size(segmentation.size_hw)
        return cls(
            picture=picture,
            width=width,
            height=height,
            view_width=view_width,
            view_height=view_height,
            revision=segmentation.provenance.revision,
            classes=[
                ShareModel(
                    index=share.index,
                    name=share.name,
                    texts=described.texts,
                    colour=colours[share.index],
                    pixels=share.pixels,
                    area=share.area,
                    score=share.score,
                )
                for share, described in zip(segmentation.shares, segmentation.classes, strict=True)
            ],
            other_area=segmentation.background_area,
            summary=segmentation.summary(),
            notes=list(segmentation.remarks),
        )


class ChangeModel(BaseModel):
    """What a change of the bank did; ``before`` is the revision that takes it back."""

    message: str
    before: int | None
    after: int | None

    @classmethod
    def of(cls, change: Change) -> Self:
        """As the API gives it."""
        return cls(message=change.message, before=change.before, after=change.after)
