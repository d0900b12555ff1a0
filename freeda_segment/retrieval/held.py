"""Which class names a bank holds. Retrieval always finds something, also for a unicorn."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from freeda_models.protocols import BoolArray
from freeda_segment.retrieval.bank_nouns import BankNouns
from freeda_segment.retrieval.learned import SAME_TEXT
from freeda_segment.retrieval.lookup import Support
from freeda_segment.retrieval.noun_words import NounWords
from freeda_segment.retrieval.prototypes import ClassPrototypes
from freeda_store.records import EXAMPLE


def unheld_texts(
    nouns: BankNouns, prototypes: ClassPrototypes, unknown: Collection[str], *, comparable: bool
) -> BoolArray | None:
    """The texts of classes for which the bank holds nothing.

    A text is held when it is a noun of what it found (with more words before it or fewer), or a key is all
    but the same; otherwise not, when the text encoder does not know its words; otherwise when the nearest key
    is nearer to it than keys of unlike things are to each other in this bank (:attr:`BankNouns.unlike_text`).

    Args:
        nouns: of the bank.
        prototypes: of the classes, with their support.
        unknown: texts whose words the text encoder does not know.
        comparable: whether class names are embedded as the bank's keys were, so that similarities tell.

    Returns:
        bool (T,), class after class; None where all are held, or none is.
    """
    least = nouns.unlike_text if comparable else None
    unheld = np.array([not _is_held(each, unknown, least) for each in prototypes.supports], dtype=np.bool_)
    return unheld if unheld.any() else None


def taught_texts(prototypes: ClassPrototypes) -> set[str]:
    """The texts of classes of which something was learned from pictures."""
    return {each.text for each in prototypes.supports if any(info.kind == EXAMPLE for info in each.infos)}


def mute_texts(prototypes: ClassPrototypes, unknown: Collection[str]) -> BoolArray | None:
    """The texts that say nothing to CLIP, and of which something was learned: bool (T,); None for none."""
    taught = taught_texts(prototypes)
    texts = (each.text for each in prototypes.supports)
    mute = np.array([text in unknown and text in taught for text in texts], dtype=np.bool_)
    return mute if mute.any() else None


def _is_held(support: Support, unknown: Collection[str], least: float | None) -> bool:
    nearest = float(support.similarities.max(initial=-1))
    if nearest >= SAME_TEXT or NounWords({info.noun for info in support.infos}).name(support.text):
        return True
    if support.text in unknown:
        return False
    return least is None or nearest >= least
