"""The bank: prototypes with their provenance, revisions, thumbnails and manifest.

A user holds one thing, :class:`~freeda_store.bank.Bank`. Names are imported when first used, so
that ``import freeda_store`` loads neither SQLAlchemy nor the vector engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freeda_store.address import Address
    from freeda_store.bank import Bank
    from freeda_store.keys import generation_key
    from freeda_store.manifest import Manifest, ModelRecord
    from freeda_store.records import (
        Caption,
        NewGeneration,
        NewPrototype,
        PrototypeInfo,
        Retrieved,
        RevisionInfo,
        Scores,
    )
    from freeda_store.revisions import BankDiff
    from freeda_store.stats import BankStats
    from freeda_store.vectors.filters import Filter, parse_filter
    from freeda_store.verify import VerifyReport
    from freeda_store.writer import RevisionWriter

_HOMES = {
    "Address": "address",
    "Bank": "bank",
    "BankDiff": "revisions",
    "BankStats": "stats",
    "Caption": "records",
    "Filter": "vectors.filters",
    "Manifest": "manifest",
    "ModelRecord": "manifest",
    "NewGeneration": "records",
    "NewPrototype": "records",
    "PrototypeInfo": "records",
    "Retrieved": "records",
    "RevisionInfo": "records",
    "RevisionWriter": "writer",
    "Scores": "records",
    "VerifyReport": "verify",
    "generation_key": "keys",
    "parse_filter": "vectors.filters",
}

__all__ = [
    "Address",
    "Bank",
    "BankDiff",
    "BankStats",
    "Caption",
    "Filter",
    "Manifest",
    "ModelRecord",
    "NewGeneration",
    "NewPrototype",
    "PrototypeInfo",
    "Retrieved",
    "RevisionInfo",
    "RevisionWriter",
    "Scores",
    "VerifyReport",
    "generation_key",
    "parse_filter",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'freeda_store' has no attribute '{name}'")
    return getattr(import_module(f"freeda_store.{_HOMES[name]}"), name)
