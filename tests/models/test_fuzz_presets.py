"""Preset files with something wrong in them, up to the settings that are made of them."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import pytest
from fuzzing import altered, broken_bytes, fuzz, survives, toml
from hypothesis import given
from hypothesis import strategies as st

import freeda_models
from freeda_ingest.manifests import stage_settings
from freeda_models.check import check_preset
from freeda_models.presets import Preset, load_preset
from freeda_segment import SegmentSettings

TEXT = (Path(freeda_models.__file__).parent / "presets" / "tiny.toml").read_text(encoding="utf-8")
WHOLE = tomllib.loads(TEXT)
PARTIAL = {"extends": "tiny", "name": "mine", "segment": {"k": 7}, "generator": {"steps": 3}}


@pytest.mark.parametrize("document", [WHOLE, PARTIAL], ids=["whole", "partial"])
def test_a_preset_is_read_whole_or_refused(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"

    @fuzz
    @given(st.one_of(altered(document).filter(lambda made: isinstance(made, dict)).map(toml)))
    def check(text: Any) -> None:
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        preset = survives(lambda: load_preset(str(path)))
        if isinstance(preset, Preset):
            assert Preset.model_validate_json(preset.model_dump_json()) == preset
            survives(lambda: SegmentSettings.of(preset.segment))
            survives(lambda: stage_settings(preset))
            survives(lambda: check_preset(str(path)))

    check()


def test_a_file_that_is_no_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"

    @fuzz
    @given(broken_bytes(TEXT.encode()))
    def check(data: Any) -> None:
        path.write_bytes(data)
        survives(lambda: load_preset(str(path)))

    check()
