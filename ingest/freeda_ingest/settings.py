"""What shapes prototypes beside the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from freeda_ingest.errors import OptionError
from freeda_ingest.masks import DEFAULT_MASKS, MaskSettings
from freeda_ingest.prototypes import WEIGHTINGS
from freeda_ingest.spans import FindUnknown


def knows_all(nouns: Sequence[str]) -> list[str]:
    """For models that draw anything: no noun is unknown."""
    del nouns
    return []


@dataclass(frozen=True)
class StageSettings:
    """What shapes prototypes beside the networks; recorded in the bank's manifest.

    Attributes:
        key_strategy: how a noun becomes a text key, see :mod:`freeda_models.text.keys`.
        templates: prompts of the strategy ``template_mean``, a name of
            :data:`freeda_models.text.keys.TEMPLATE_SETS`.
        mask: see :class:`MaskSettings`.
        weighting: how a mask weighs tokens, a name of :data:`freeda_ingest.prototypes.WEIGHTINGS`.
        min_agreement: least cosine of CLIP between the masked crop and the noun; -1 lets all pass.
        find_unknown: those of some nouns that the models do not know; they are counted and named.
    """

    key_strategy: str = "template_mean"
    templates: str = "openai_subset"
    mask: MaskSettings = DEFAULT_MASKS
    weighting: str = "token"
    min_agreement: float = -1.0
    find_unknown: FindUnknown = knows_all

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise OptionError(f"unknown weighting '{self.weighting}'; choose one of {', '.join(WEIGHTINGS)}.")
        if not -1 <= self.min_agreement <= 1:
            raise OptionError(f"min_agreement is {self.min_agreement}; give a cosine from -1 to 1.")


DEFAULT_SETTINGS = StageSettings()
