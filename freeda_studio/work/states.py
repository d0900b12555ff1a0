"""How works follow each other, and where they are when their process has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from freeda_models.errors import PresetError
from freeda_models.presets import Preset
from freeda_studio.work.documents import Ended, Failed, Gone, Work, WorkState
from freeda_studio.work.running import Message


@dataclass(frozen=True)
class Place:
    """What all works of a studio share.

    Attributes:
        bank: its address.
        preset, device: as the studio was started with.
        most_bytes: of what is sent for works, together.
    """

    bank: str
    preset: Preset
    device: str
    most_bytes: int

    def no_drawing(self) -> str:
        """Why nothing can be drawn for this bank; empty where it can."""
        try:
            _ = self.preset.drawing
        except PresetError as error:
            return str(error)
        return ""


def state_after(message: Message, *, stopping: bool, closing: bool) -> WorkState:
    """Where work is when its process has ended."""
    interrupted = isinstance(message, Gone) or (isinstance(message, Ended) and message.report.interrupted)
    if interrupted and stopping:
        return WorkState.STOPPED
    if interrupted and closing:
        return WorkState.WAITING
    if isinstance(message, Failed | Gone):
        return WorkState.FAILED
    assert isinstance(message, Ended)
    return WorkState.STOPPED if interrupted else WorkState.DONE


def turn_of(work: Work) -> tuple[bool, datetime, str]:
    """The order of what has not ended: what runs, then by when it was asked for."""
    return work.state is WorkState.WAITING, work.queued, work.id


def end_of(work: Work) -> datetime:
    """When it ended."""
    return work.ended or work.queued
