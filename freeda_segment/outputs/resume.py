"""Writing a picture's results once: what is there already, made in the same way, is kept.

A report records what a result was made of: the picture's hash, the classes, the bank and its revision,
the models and the settings. Results are kept when the report says the same and says that every
format wanted was written with it, and their files exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from freeda_segment.classes import ClassName
from freeda_segment.outputs.formats import output_paths, write_outputs
from freeda_segment.outputs.report import FORMAT_VERSION, provenance_values, read_report
from freeda_segment.outputs.result import DEFAULT_OPACITY, Result
from freeda_segment.outputs.told import Told
from freeda_store.files.own_files import FileIds, require_free

if TYPE_CHECKING:
    from freeda_segment.result import Provenance

REPORT = "report"


def made_of(
    sha256: str,
    classes: Iterable[ClassName],
    provenance: Provenance,
    *,
    opacity: float = DEFAULT_OPACITY,
    label_offset: int = 0,
) -> dict[str, Any]:
    """All that a result depends on, as JSON values."""
    made: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "sha256": sha256,
        "opacity": opacity,
        "label_offset": label_offset,
        "classes": [list(each.texts) for each in classes],
        **provenance_values(provenance),
    }
    return dict(json.loads(json.dumps(made)))


def find_done(
    folder: str | Path, stem: str, wanted: Mapping[str, Any], formats: Sequence[str]
) -> dict[str, Any] | None:
    """The report of results that are there and are what :func:`made_of` wants; None if they are not.

    Args:
        folder, stem, formats: as for ``write_outputs``.
        wanted: what :func:`made_of` gave.
    """
    paths = output_paths(folder, stem, {*formats, REPORT})
    report = read_report(paths[REPORT])
    if report is None or _recorded(report) != wanted:
        return None
    try:
        written = Told.model_validate(report).formats
    except ValidationError:  # somebody changed it; it is made anew
        return None
    if not set(formats) <= {*written, REPORT}:
        return None
    return report if all(path.is_file() for path in paths.values()) else None


def write_fresh(
    folder: str | Path,
    stem: str,
    result: Result,
    formats: Sequence[str],
    *,
    force: bool = False,
    inputs: FileIds = frozenset(),
) -> dict[str, Path]:
    """Write a result in several formats, its report always, and last.

    A report of something else is removed first: it must not vouch for the files that replace its own.

    Args:
        folder, stem, result, formats: as for ``write_outputs``.
        force: replace also files that freeda did not write.
        inputs: files that are never replaced; see :func:`freeda_store.files.own_files.file_ids`.

    Returns:
        Where each format was written.

    Raises:
        OptionError: a format is unknown.
        OverwriteError: something that freeda did not write is in the place of one; nothing is written.
        OutputError: a file cannot be written.
    """
    others = [name for name in dict.fromkeys(formats) if name != REPORT]
    paths = output_paths(folder, stem, {*others, REPORT})
    require_free(paths.values(), inputs=inputs, force=force)
    path = paths[REPORT]
    segmentation = result.segmentation
    wanted = made_of(
        result.sha256,
        segmentation.classes,
        segmentation.provenance,
        opacity=result.opacity,
        label_offset=result.label_offset,
    )
    old = read_report(path)
    if old is not None and _recorded(old) != wanted:
        path.unlink(missing_ok=True)
        old = None
    kept = old.get("formats") if old is not None else None
    before = [name for name in kept if isinstance(name, str)] if isinstance(kept, list) else []
    vouched = tuple(dict.fromkeys([*others, *before]))
    return write_outputs(folder, stem, result.vouching(vouched), [*others, REPORT])


def _recorded(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a report says that its result was made of; None when it does not say."""
    try:
        return {
            "format": report["format"],
            "sha256": report["picture"]["sha256"],
            "opacity": report["opacity"],
            "label_offset": report.get("label_offset", 0),
            "classes": [each["texts"] for each in report["classes"]],
            **{name: report[name] for name in ("bank", "models", "settings")},
        }
    except (KeyError, TypeError):
        return None
