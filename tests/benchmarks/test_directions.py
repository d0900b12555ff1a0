"""What the table of directions asks for."""

from __future__ import annotations

import json
import re

from benchmarks.directions import rows, synonyms, tuned_rows
from benchmarks.tiny_quality import CAPTIONS
from freeda_segment.evaluation.datasets import load_scenes
from freeda_segment.settings import SegmentSettings


def test_every_row_is_another_setting_that_exists() -> None:
    for wanted in (rows(), tuned_rows()):
        assert len({row.name for row in wanted}) == len(wanted)
        settings = [SegmentSettings(**row.changes) for row in wanted]
        assert len({repr(each) for each in settings}) >= len(wanted) - 1, (
            "one may be the default by its numbers"
        )


def test_no_caption_holds_the_other_names() -> None:
    names = load_scenes().class_names
    other = synonyms(names)
    assert len(set(other)) == len(names)
    changed = {one for one, name in zip(other, names, strict=True) if one != name}
    assert len(changed) > len(names) / 2
    captions = [json.loads(line)["caption"] for line in CAPTIONS.read_text(encoding="utf-8").splitlines()]
    spelled = {word for caption in captions for word in re.findall(r"[a-z]+", caption.lower())}
    assert not changed & spelled
