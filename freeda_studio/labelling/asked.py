"""What Label Studio sends and expects."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from freeda_errors.documents import Excerpt

MOST_TASKS = 1000


class TaskAsked(Excerpt):
    """A task; its data has a picture under the field that the labelling interface names."""

    id: int | str | None = None
    data: dict[str, Any] = Field(default_factory=dict)


class MarkValue(Excerpt):
    """Where a mark is, in percent of the picture's width and height."""

    x: float = Field(ge=-100, le=200, allow_inf_nan=False)
    y: float = Field(ge=-100, le=200, allow_inf_nan=False)
    width: float = Field(0, ge=0, le=200, allow_inf_nan=False)
    height: float = Field(0, ge=0, le=200, allow_inf_nan=False)
    labels: list[str] = Field(default_factory=list)
    keypointlabels: list[str] = Field(default_factory=list)
    rectanglelabels: list[str] = Field(default_factory=list)


class MarkAsked(Excerpt):
    """A keypoint or a rectangle that a person set with a smart tool."""

    type: str = ""
    value: MarkValue
    is_positive: bool | int = True


class ContextAsked(Excerpt):
    """What a person just marked in the only task."""

    result: list[MarkAsked] = Field(default_factory=list, max_length=100)


class ParamsAsked(Excerpt):
    """What goes with a request."""

    context: ContextAsked | None = None


class PredictAsked(Excerpt):
    """Tasks to label, and the labelling interface that says with what."""

    tasks: list[TaskAsked] = Field(max_length=MOST_TASKS)
    label_config: str = ""
    params: ParamsAsked | None = None
    context: ContextAsked | None = None

    @property
    def marks(self) -> list[MarkAsked]:
        """What a person marked; empty where whole pictures are to be labelled."""
        context = (self.params.context if self.params is not None else None) or self.context
        return [] if context is None else context.result


class SetupAsked(Excerpt):
    """A project that wants predictions. What else is sent, such as a token, is neither used nor kept."""

    project: int | str = ""
    label_config: str = Field("", alias="schema")


class SetupModel(BaseModel):
    """What makes the predictions, and why a project will get none, if so."""

    model_version: str
    note: str = ""


class PredictionModel(BaseModel):
    """Labels of a task; without any, ``error`` says why."""

    model_version: str
    score: float = 0.0
    result: list[dict[str, Any]] = Field(default_factory=list)
    error: str = ""


class PredictedModel(BaseModel):
    """A prediction for each task, in their order."""

    results: list[PredictionModel]


class WebhookModel(BaseModel):
    """What became of an event."""

    status: str
    note: str
