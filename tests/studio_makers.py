"""Makes studios for tests, without the networks of a preset."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from small_bank import Backbone, Clip, small_settings

from freeda_learn.finding import SuperpixelFinder
from freeda_learn.models import LearnModels
from freeda_models.presets import load_preset
from freeda_segment import Segmenter
from freeda_store import Bank
from freeda_studio.engine import Networks
from freeda_studio.settings import Access, StudioSettings
from freeda_studio.studio import Studio, studio_over

TOKEN = "a token of tests"
BASE_URL = "http://127.0.0.1:8765"


def small_networks(bank: Bank) -> Networks:
    """Networks that see colours, for small pictures."""
    preset, settings = load_preset("tiny"), small_settings()
    segmenter = Segmenter(bank, Clip(), Backbone(), None, settings, preset)
    models = LearnModels(Backbone(), Clip(), Clip())
    finder = SuperpixelFinder(settings.superpixels, settings.merge_similarity)
    return Networks(preset, settings, models, segmenter, finder)


@contextlib.contextmanager
def opened_studio(address: str | Path, *pictures: Path, read_only: bool = False) -> Iterator[Studio]:
    """A studio over a bank made by :mod:`small_bank`; what is dropped on it lies beside the bank."""
    state = Path(str(address).partition("@")[0]).parent / "state"
    settings = StudioSettings(str(address), pictures, read_only, state)
    with Bank.read(address) as bank:
        yield studio_over(settings, Access(token=TOKEN), bank, small_networks(bank))
