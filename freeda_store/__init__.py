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
    from freeda_store.history import BankDiff
    from freeda_store.ids import generation_key
    from freeda_store.manifest import Manifest, ModelRecord
    from freeda_store.records import (
        Caption,
        NewGeneration,
        NewPrototype,
        Origin,
        PrototypeInfo,
        Retrieved,
        RevisionInfo,
        Scores,
    )
    from freeda_store.repair.verify import VerifyReport
    from freeda_store.sharing.archive import export_bank, import_bank
    from freeda_store.sharing.copy import CopyProgress, CopyReport
    from freeda_store.sharing.hub_bank import fetch_bank, publish_bank
    from freeda_store.sharing.transfer import copy_bank
    from freeda_store.vectors.filters import Filter, parse_filter
    from freeda_store.views.stats import BankStats
    from freeda_store.views.table_export import export_table
    from freeda_store.writing.writer import RevisionWriter

_HOMES = {
    "Address": "address",
    "Bank": "bank",
    "BankDiff": "history",
    "BankStats": "views.stats",
    "Caption": "records",
    "CopyProgress": "sharing.copy",
    "CopyReport": "sharing.copy",
    "Filter": "vectors.filters",
    "Manifest": "manifest",
    "ModelRecord": "manifest",
    "NewGeneration": "records",
    "NewPrototype": "records",
    "Origin": "records",
    "PrototypeInfo": "records",
    "Retrieved": "records",
    "RevisionInfo": "records",
    "RevisionWriter": "writing.writer",
    "Scores": "records",
    "VerifyReport": "repair.verify",
    "copy_bank": "sharing.transfer",
    "export_bank": "sharing.archive",
    "export_table": "views.table_export",
    "fetch_bank": "sharing.hub_bank",
    "generation_key": "ids",
    "import_bank": "sharing.archive",
    "parse_filter": "vectors.filters",
    "publish_bank": "sharing.hub_bank",
}

__all__ = [
    "Address",
    "Bank",
    "BankDiff",
    "BankStats",
    "Caption",
    "CopyProgress",
    "CopyReport",
    "Filter",
    "Manifest",
    "ModelRecord",
    "NewGeneration",
    "NewPrototype",
    "Origin",
    "PrototypeInfo",
    "Retrieved",
    "RevisionInfo",
    "RevisionWriter",
    "Scores",
    "VerifyReport",
    "copy_bank",
    "export_bank",
    "export_table",
    "fetch_bank",
    "generation_key",
    "import_bank",
    "parse_filter",
    "publish_bank",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'freeda_store' has no attribute '{name}'")
    return getattr(import_module(f"freeda_store.{_HOMES[name]}"), name)
