"""The offline stage: captions in, prototypes into a bank."""

from freeda_ingest import Ingestor, IngestReport, RunOptions, devices_executor, open_ingestor, ray_executor

__all__ = ["IngestReport", "Ingestor", "RunOptions", "devices_executor", "open_ingestor", "ray_executor"]
