"""Learning from pictures: a thing marked in a picture of one's own becomes prototypes of its class.

A user holds one thing, :class:`~freeda_learn.learner.Learner`, built by
:func:`~freeda_learn.learner.open_learner`. Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freeda_learn.agreement import Disagreement, disagreements
    from freeda_learn.dividing import RegionLimits
    from freeda_learn.examples import Example, Rejected, UnlabelledPicture
    from freeda_learn.finding import RegionFinder
    from freeda_learn.learner import Learner, LearnOptions, new_bank, open_learner
    from freeda_learn.marks import Marks
    from freeda_learn.models import LearnModels
    from freeda_learn.report import LearnProgress, LearnReport

_HOMES = {
    "Disagreement": "agreement",
    "Example": "examples",
    "LearnModels": "models",
    "LearnOptions": "learner",
    "LearnProgress": "report",
    "LearnReport": "report",
    "Learner": "learner",
    "Marks": "marks",
    "RegionFinder": "finding",
    "RegionLimits": "dividing",
    "Rejected": "examples",
    "UnlabelledPicture": "examples",
    "disagreements": "agreement",
    "new_bank": "learner",
    "open_learner": "learner",
}

__all__ = [
    "Disagreement",
    "Example",
    "LearnModels",
    "LearnOptions",
    "LearnProgress",
    "LearnReport",
    "Learner",
    "Marks",
    "RegionFinder",
    "RegionLimits",
    "Rejected",
    "UnlabelledPicture",
    "disagreements",
    "new_bank",
    "open_learner",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'freeda_learn' has no attribute '{name}'")
    return getattr(import_module(f"freeda_learn.{_HOMES[name]}"), name)
