"""The routes that Label Studio asks a machine learning backend for; ``/health`` is one more."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from freeda_studio.labelling.asked import (
    PredictAsked,
    PredictedModel,
    SetupAsked,
    SetupModel,
    WebhookModel,
)
from freeda_studio.studio import Client, Held

router = APIRouter(tags=["label studio"])


@router.post("/setup")
def setup(studio: Held, asked: SetupAsked) -> SetupModel:
    """Begin to predict for a project."""
    return studio.labelling.setup(asked.label_config)


@router.post("/predict")
def predict(studio: Held, client: Client, asked: PredictAsked) -> PredictedModel:
    """Label the pictures of tasks, or the region that a smart tool marks in one."""
    return PredictedModel(results=studio.labelling.predict(asked, client))


@router.post("/webhook")
def webhook(asked: dict[str, Any]) -> WebhookModel:
    """Take an event of a project; nothing follows from it."""
    del asked
    return WebhookModel(
        status="ignored",
        note="freeda learns from an export of the project (freeda learn), not from events.",
    )
