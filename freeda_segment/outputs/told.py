"""What a report tells of a picture, as pages show it: read back from JSON that may have been changed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from freeda_errors.documents import Excerpt

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


def _is_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004 - what pydantic takes for a fault of the value
    return value


AnyText = Annotated[Any, AfterValidator(_is_text)]
"""Text that need not be UTF-8, as names of files and what is typed in a shell."""


class ToldPicture(Excerpt):
    """The picture that was segmented; its size is in pixels."""

    source: AnyText
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


class ToldShare(Excerpt):
    """What a class got; ``score`` is None where it got nothing."""

    index: Count
    name: AnyText
    colour: Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]
    pixels: Count
    area: Share
    score: Annotated[float, Field(allow_inf_nan=True)] | None = None


class _Background(Excerpt):
    area: Share


class ToldSureness(Excerpt):
    """Shares of the picture that got a class by a guess, and that look like nothing in the bank."""

    guessed: Share
    unlike: Share


class Told(Excerpt):
    """The part of a report that the index shows."""

    formats: list[str]
    picture: ToldPicture
    classes: list[ToldShare]
    background: _Background
    sureness: ToldSureness | None = None
    notes: list[AnyText] = Field(default_factory=list)

    @property
    def colours(self) -> dict[int, str]:
        """``#rrggbb`` of each class by its index."""
        return {each.index: each.colour for each in self.classes}
