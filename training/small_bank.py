"""The small bank that ``freeda demo`` starts from: some of the example captions, ingested and exported.

It must be made anew when the tiny pack or the rules for nouns change: its manifest names both, and a bank
made by others is not continued.

Usage: ``python -m training.small_bank``
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from freeda_cli.demo import CAPTIONS, PRESET, SMALL_BANK, examples_folder
from freeda_ingest.ingestor import RunOptions, open_ingestor
from freeda_store import export_bank

LIMIT = 64
"""Four captions of each of the 16 objects."""


def main() -> None:
    """Draw, ingest, export."""
    examples = examples_folder()
    with tempfile.TemporaryDirectory() as temporary:
        bank = Path(temporary) / "bank"
        with open_ingestor(bank, PRESET) as ingestor:
            ingestor.run(examples / CAPTIONS, RunOptions(limit=LIMIT, message="64 of the example captions"))
        export_bank(str(bank), examples / SMALL_BANK, force=True)


if __name__ == "__main__":
    main()
