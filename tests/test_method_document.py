"""docs/method.md points at code and tests: whatever it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

from freeda_models.presets import load_preset
from freeda_models.text.keys import PromptMean, prompts_named
from freeda_segment import SegmentSettings

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "method.md").read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([^`\n]+)`", TEXT))
PATHS = sorted(name for name in QUOTED if re.fullmatch(r"[a-z_]+/[\w/]+\.\w+", name))
NAMES = sorted(name for name in QUOTED if re.fullmatch(r"(freeda_\w+|ingest|cli)(\.\w+)+", name))
TESTS = sorted(name for name in QUOTED if re.fullmatch(r"test_\w+", name))
MODULES = sorted(set(re.findall(r"python -m (\w+\.\w+)", TEXT)))


def test_it_points_at_code_and_tests() -> None:
    assert min(len(PATHS), len(NAMES), len(MODULES)) > 1


@pytest.mark.parametrize("path", PATHS)
def test_files_are_there(path: str) -> None:
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("name", NAMES)
def test_names_are_there(name: str) -> None:
    assert resolve_name(name) is not None


@pytest.mark.parametrize("name", TESTS)
def test_tests_are_there(name: str) -> None:
    assert any(f"def {name}(" in file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES)
def test_commands_are_there(module: str) -> None:
    assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


def test_the_pictures_are_small() -> None:
    sizes = [(ROOT / "docs" / link).stat().st_size for link in re.findall(r"\]\((images/[^)]+)\)", TEXT)]
    assert sizes
    assert sum(sizes) < 300_000


def test_the_preset_with_the_authors_ways_can_be_loaded(tmp_path: Path) -> None:
    (document,) = re.findall(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    file = tmp_path / "published.toml"
    file.write_text(document, encoding="utf-8")
    preset = load_preset(str(file))
    assert (preset.clip.resize, preset.backbone.resize) == ("bicubic_plain", "bilinear_plain")
    assert SegmentSettings.of(preset.segment).resize == "plain"
    assert prompts_named(preset.keys.templates).mean is PromptMean.RAW
    assert preset.clip.revision == load_preset("sd21").clip.revision
