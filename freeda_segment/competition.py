"""Which of the bank's nouns compete with a list of classes, under which settings, and what to say of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from freeda_segment.errors import OptionError
from freeda_segment.pixels.background import BackgroundStrategy
from freeda_segment.retrieval.aggregation import Pooling
from freeda_segment.retrieval.bank_nouns import BankNouns, NounSource, bank_nouns
from freeda_segment.retrieval.competitors import Competitors, competing_nouns
from freeda_segment.retrieval.held import mute_texts, unheld_texts
from freeda_segment.retrieval.prototypes import ClassPrototypes, build_prototypes
from freeda_store import Filter
from freeda_store.records import RevisionInfo

if TYPE_CHECKING:
    from freeda_segment.classes import ClassName
    from freeda_segment.retrieval.lookup import TextLookup
    from freeda_segment.settings import SegmentSettings

NounCache: TypeAlias = dict[tuple[RevisionInfo | None, Filter], BankNouns]
"""The nouns of a bank by revision and filter."""


class _Bank(NounSource, Protocol):
    @property
    def revision(self) -> RevisionInfo | None:
        """The revision it shows."""


def prepare(
    bank: _Bank,
    classes: Sequence[ClassName],
    lookup: TextLookup,
    notes: tuple[str, ...],
    known: NounCache,
    *,
    unknown: Collection[str] = (),
    comparable: bool = True,
) -> ClassPrototypes:
    """Prototypes of classes and what may compete with them, all of one revision.

    What competes may come from several sources; so far it is the bank's nouns.

    Args:
        bank: that ``lookup`` asks too.
        classes: at least one.
        lookup: see :func:`build_prototypes`.
        notes: passed on.
        known: nouns that were gathered before; those gathered now are added.
        unknown, comparable: see :func:`unheld_texts`.

    Raises:
        NoPrototypesError: the bank has nothing for a class.
    """
    where = lookup.settings.where
    while True:
        built = build_prototypes(classes, lookup, notes)
        nouns = known.get((built.revision, where))
        if nouns is None:
            nouns = bank_nouns(bank, where)
            if bank.revision != built.revision:
                continue
            known[built.revision, where] = nouns
        unheld = unheld_texts(nouns, built, unknown, comparable=comparable)
        built = replace(built, nouns=nouns, unheld=unheld, mute=mute_texts(built, unknown))
        if built.learned is not None:
            built = replace(built, learned=built.learned.discounted(nouns.likeness))
        keys_are_clip = comparable and lookup.key_encoder is lookup.clip
        others = competing_nouns(nouns, built, keys_are_clip=keys_are_clip)
        found = [each for each in (others,) if each is not None]
        return replace(built, competitors=Competitors.joined(found) if found else None)


def under(settings: SegmentSettings, prototypes: ClassPrototypes) -> ClassPrototypes:
    """The classes, with what competes with them under some settings and nothing else.

    Names that the bank does not hold get nothing where others compete; where every pixel gets a class, or a
    threshold decides, they are what they were found to be nearest to.

    Raises:
        OptionError: what competes cannot be compared with the classes.
    """
    by_bank = _by_bank(settings, prototypes)
    compared = prototypes if by_bank else replace(prototypes, competitors=None, unheld=None)
    if compared.unheld is not None and compared.unheld.all() and compared.competitors is None:
        compared = replace(compared, unheld=None)  # nothing else is left to take a pixel
    if prototypes.pooling is Pooling.VOTE:  # votes are no similarity
        return replace(compared, nouns=None)
    return compared


def warnings(prototypes: ClassPrototypes, settings: SegmentSettings) -> tuple[str, ...]:
    """What a list that may leave things out does not get, for people."""
    found = list(_unheld_notes(settings, prototypes))
    if prototypes.competitors is None and _by_bank(settings, prototypes):
        found.append(
            "the bank has no other nouns that could compete with these classes, so every pixel gets one; "
            "add what else the pictures show to the list or to the bank."
        )
    if settings.unsure is not None and not _is_scaled(prototypes):
        found.append(
            "this bank and these settings give no measure of how sure a label is, so unsure leaves nothing "
            "out; it needs at least four nouns of four prototypes, and another aggregation than knn."
        )
    return tuple(found)


def _unheld_notes(settings: SegmentSettings, prototypes: ClassPrototypes) -> Iterator[str]:
    unheld = under(settings, prototypes).unheld
    for support, gone in zip(prototypes.supports, () if unheld is None else unheld, strict=False):
        if gone and settings.retrieval != "classes" and settings.region_values == "semantic":
            yield (
                f"the bank holds nothing for '{support.text}' by name, so only CLIP's view of what "
                f"looks like a region speaks for it; the nearest noun is '{support.infos[0].noun}' "
                f"(similarity {float(support.similarities[0]):.2f})."
            )
        elif gone:
            yield (
                f"the bank holds nothing for '{support.text}', so it gets no pixel; the nearest noun is "
                f"'{support.infos[0].noun}' (similarity {float(support.similarities[0]):.2f}): give that "
                f"name if it is meant, or draw it: freeda bank add '{support.text}'."
            )


def _is_scaled(prototypes: ClassPrototypes) -> bool:
    known = prototypes.nouns is not None and prototypes.nouns.likeness is not None
    return known and prototypes.pooling is not Pooling.VOTE


def _by_bank(settings: SegmentSettings, prototypes: ClassPrototypes) -> bool:
    """Whether the bank's other nouns shall compete; votes cannot be compared with a similarity."""
    background = settings.background
    if background is None or not background.by_bank(len(prototypes.classes)):
        return False
    if prototypes.pooling is not Pooling.VOTE:
        return True
    if background.strategy == BackgroundStrategy.BANK:
        raise OptionError(
            "the background 'bank' compares similarities, the aggregation 'knn' counts votes; choose another "
            "of either."
        )
    return False
