from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from segment_fakes import FakeBackbone, FakeBank, FakeClip, small_settings

from freeda_segment.segmenter import Segmenter

settings.register_profile("segment", deadline=None, max_examples=60)
settings.load_profile("segment")


@pytest.fixture
def segmenter() -> Segmenter:
    return Segmenter(FakeBank(), FakeClip(), FakeBackbone(), settings=small_settings())
