"""The offline stage: captions in, prototypes into a bank.

A user holds one thing, :class:`~freeda_ingest.ingestor.Ingestor`, built by
:func:`~freeda_ingest.ingestor.open_ingestor`. Names are imported when first used, so that
``import freeda_ingest`` loads no network library and no database.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from freeda_ingest.captions.detection import CaptionFormat
    from freeda_ingest.captions.reader import read_captions
    from freeda_ingest.captions.records import Reject
    from freeda_ingest.concepts import add_concepts
    from freeda_ingest.executors.devices import devices_executor
    from freeda_ingest.executors.ray import ray_executor
    from freeda_ingest.ingestor import Ingestor, RunOptions, open_ingestor
    from freeda_ingest.masks import DropReason, MaskSettings
    from freeda_ingest.models import IngestModels, LoadedModels, PresetModels
    from freeda_ingest.report import IngestProgress, IngestReport, ProgressCallback
    from freeda_ingest.settings import StageSettings

_HOMES = {
    "CaptionFormat": "captions.detection",
    "DropReason": "masks",
    "IngestModels": "models",
    "IngestProgress": "report",
    "IngestReport": "report",
    "Ingestor": "ingestor",
    "LoadedModels": "models",
    "MaskSettings": "masks",
    "PresetModels": "models",
    "ProgressCallback": "report",
    "Reject": "captions.records",
    "RunOptions": "ingestor",
    "StageSettings": "settings",
    "add_concepts": "concepts",
    "devices_executor": "executors.devices",
    "open_ingestor": "ingestor",
    "ray_executor": "executors.ray",
    "read_captions": "captions.reader",
}

__all__ = [
    "CaptionFormat",
    "DropReason",
    "IngestModels",
    "IngestProgress",
    "IngestReport",
    "Ingestor",
    "LoadedModels",
    "MaskSettings",
    "PresetModels",
    "ProgressCallback",
    "Reject",
    "RunOptions",
    "StageSettings",
    "add_concepts",
    "devices_executor",
    "open_ingestor",
    "ray_executor",
    "read_captions",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'freeda_ingest' has no attribute '{name}'")
    return getattr(import_module(f"freeda_ingest.{_HOMES[name]}"), name)
