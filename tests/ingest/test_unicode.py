"""Any text at all through the whole of an ingestion, with the bundled networks and one denoising step."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from freeda_ingest.captions.reader import read_captions
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_ingest.manifests import make_manifest, stage_settings
from freeda_ingest.models import PresetModels
from freeda_models.loading import identify
from freeda_models.presets import Preset, load_preset
from freeda_store import Bank, Caption

pytestmark = pytest.mark.slow

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=30)
"""Every code point: halves of surrogate pairs, NUL, controls, private use, unassigned."""
NOUNS = st.sampled_from(
    ["a red car", "two boats", "THE TREE", "dog's house", "кот", "車", "سيارة", "🚒🏽‍♀️ bus"]
)
CAPTIONS = st.lists(
    st.builds(" ".join, st.lists(st.one_of(ANYTHING, NOUNS), min_size=1, max_size=4)), min_size=1, max_size=5
)
ODD = [
    "\ud83d a car \udc00",
    "a car\x00 and a tree",
    "\u202ea tree\u202c סוס ליד a car \u200f",
    "👩‍👩‍👧‍👦 on a boat 🇫🇷\ufe0f",
    "e\u0301" * 40 + " a house",
    "İSTANBUL ǅ ﬃ a cat",
    "<|endoftext|> a car <|startoftext|>",
    "\ufeff\u2028\x85\x1f",
    "a red car and " * 715,
]


@pytest.fixture(scope="module")
def preset() -> Preset:
    tiny = load_preset("tiny")
    return tiny.model_copy(update={"generator": tiny.drawing.model_copy(update={"steps": 1})})


@pytest.fixture(scope="module")
def executor(preset: Preset) -> LocalExecutor:
    return LocalExecutor(PresetModels(preset, "cpu"), stage_settings(preset))


def storable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\x00" not in text and bool(text.strip())


def ingest_all(captions: list[Caption], preset: Preset, executor: LocalExecutor) -> None:
    """Ingest twice, and look at what the bank holds of it."""
    fit = Counter(caption.text for caption in captions if storable(caption.text))
    with TemporaryDirectory() as folder:
        manifest = make_manifest(preset.name, identify(preset), stage_settings(preset))
        with Bank.open(Path(folder) / "bank", create=manifest) as bank:
            ingestor = Ingestor(bank, executor, batch_size=4)
            report = ingestor.run(captions)
            assert report.captions == fit.total()
            assert report.rejected == len(captions) - fit.total()
            assert report.duplicates == fit.total() - len(fit)
            assert report.written + report.without_nouns + report.refused == len(fit)
            assert report.undrawn == 0
            infos = list(bank.infos())
            assert len(infos) == report.prototypes
            for info in infos:
                start, stop = info.span
                assert info.caption in fit
                assert info.caption[start:stop].strip()
            assert bank.verify().ok
            again = ingestor.run(captions)
            assert (again.done_before, again.written) == (report.written, 0)


@settings(deadline=None, max_examples=12)
@example(ODD)
@given(CAPTIONS)
def test_captions_of_a_callers_own(preset: Preset, executor: LocalExecutor, texts: list[str]) -> None:
    ingest_all([Caption(text) for text in texts], preset, executor)


@settings(deadline=None, max_examples=6)
@example(ODD)
@given(CAPTIONS)
def test_captions_of_a_file(preset: Preset, executor: LocalExecutor, texts: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "captions.jsonl"
        path.write_text("".join(json.dumps({"caption": text}) + "\n" for text in texts), "ascii")
        records = list(read_captions(path))
    assert len(records) == len(texts)
    ingest_all([record for record in records if isinstance(record, Caption)], preset, executor)


def test_a_caption_that_no_database_can_hold_is_named(preset: Preset, executor: LocalExecutor) -> None:
    with TemporaryDirectory() as folder:
        manifest = make_manifest(preset.name, identify(preset), stage_settings(preset))
        with Bank.open(Path(folder) / "bank", create=manifest) as bank:
            bad = [
                Caption("\ud800"),
                Caption("a", extra={"b": "\x00"}),
                Caption("a", url="\udfff"),
                Caption(" "),
            ]
            report = Ingestor(bank, executor).run(bad)
    assert [(reject.line, reject.reason) for reject in report.first_rejects] == [
        (1, "half of a surrogate pair, which is no Unicode text"),
        (2, "a NUL character"),
        (3, "half of a surrogate pair, which is no Unicode text"),
        (4, "empty caption"),
    ]
