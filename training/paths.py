"""Where training keeps its data and checkpoints; ``FREEDA_TRAINING_DIR`` moves all of it."""

from __future__ import annotations

import os
from pathlib import Path

WORK_DIR = Path(os.environ.get("FREEDA_TRAINING_DIR", Path(__file__).parent / "work"))
SPRITES_DIR = WORK_DIR / "sprites"
SCENES_DIR = WORK_DIR / "scenes"
CHECKPOINTS_DIR = WORK_DIR / "checkpoints"
PACK_DIR = Path(__file__).parent.parent / "freeda_models" / "tiny"
