"""That the server lives: answered without a token, so it says nothing of bank and pictures."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A sign of life, as Label Studio knows it."""

    status: str = "UP"
    model_class: str = "freeda"


@router.get("/health")
def health() -> Health:
    """Whether the server answers."""
    return Health()
