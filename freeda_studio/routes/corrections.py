"""``/api/v1``: what changes the bank from a picture: retire, learn, take back."""

from __future__ import annotations

from fastapi import APIRouter

from freeda_studio.models import ChangeModel, LearnAsked, RetireAsked, RollbackAsked
from freeda_studio.studio import Held

router = APIRouter(prefix="/api/v1", tags=["corrections"])


@router.post("/retire")
def retire(studio: Held, asked: RetireAsked) -> ChangeModel:
    """Hide prototypes from a new revision on."""
    return ChangeModel.of(studio.corrector.retire(asked.ids, asked.message))


@router.post("/learn")
def learn(studio: Held, asked: LearnAsked) -> ChangeModel:
    """Learn what is marked in a picture of the shelf."""
    return ChangeModel.of(studio.corrector.learn(asked.picture, asked.name, asked.marks(), asked.by))


@router.post("/rollback")
def roll_back(studio: Held, asked: RollbackAsked) -> ChangeModel:
    """Show again what an older revision showed, as a new revision."""
    return ChangeModel.of(studio.corrector.roll_back(asked.version, asked.message, asked.seen))
