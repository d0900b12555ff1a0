"""``freeda segment``: pictures and class names in, labelled pictures out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from freeda_cli import console
from freeda_cli import segment_options as o
from freeda_cli.errors import FAILURE, report_one
from freeda_cli.options import DEFAULT_BANK, BankOption, DeviceOption, JsonOption, PresetOption
from freeda_cli.pictures import find_pictures
from freeda_cli.presets import (
    SEGMENT_ROLES,
    announce_download,
    asked_regions,
    bank_line,
    open_bank_and_preset,
)
from freeda_cli.segment_settings import SettingChanges, gather_classes
from freeda_cli.setting_options import with_segment_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from freeda_segment import ClassList, ClassPrototypes, Segmenter
    from freeda_segment.result import Provenance
    from freeda_store.files.own_files import FileIds

EPILOG = 'Example: freeda segment photo.jpg holiday/ -c "red car,tree,grass,sky" --out out'
_SHOWN_NOTES = 10


@with_segment_options
def segment(
    ctx: typer.Context,
    pictures: o.PicturesArgument,
    classes: o.ClassesOption = None,
    classes_file: o.ClassesFileOption = None,
    bank: BankOption = DEFAULT_BANK,
    preset: PresetOption = None,
    out: o.OutOption = Path(o.DEFAULT_OUT),
    formats: o.FormatOption = None,
    opacity: o.OpacityOption = o.DEFAULT_OPACITY,
    force: o.ForceOption = False,
    *,
    changes: SettingChanges,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Label every pixel of pictures with one of the classes named.

    Writes for each picture an overlay with a legend, a label map, and a report with the area and
    score of each class; several pictures get an index.html too. Files are named after the picture, and
    after its ending too where another picture has the name. What is there already, made in the same
    way, is skipped. A picture that cannot be read is reported, and the others go on.
    """
    from freeda_segment import SegmentSettings, open_segmenter
    from freeda_segment.outputs import INDEX_NAME, result_stems
    from freeda_segment.provenance import foresee_provenance
    from freeda_store.files.own_files import file_ids, require_free

    paths = find_pictures(pictures)
    wanted = gather_classes(classes or [], classes_file)
    names = wanted_formats(formats or [], len(paths))
    with open_bank_and_preset(bank, preset) as source:
        settings = changes.change(SegmentSettings.of(source.preset.segment))
        opened, chosen = source.bank, preset or source.preset.name
        console.note(bank_line(bank, source.preset, settings.where))
        index = [out / INDEX_NAME] if len(paths) > 1 and "preview" in names else []
        require_free(index, force=force)
        inputs = file_ids([*paths, classes_file or "", preset or ""])
        run = _Run(wanted, out, names, opacity, as_json, force, inputs)
        stems = result_stems(out, paths)
        foreseen = partial(foresee_provenance, opened, source.preset, settings)
        done = {} if force else run.find_done(paths, stems, foreseen)
        if len(done) < len(paths):
            announce_download(chosen, SEGMENT_ROLES, bank=opened, regions=asked_regions(settings))
            segmenter = open_segmenter(opened, preset=chosen, device=device, settings=settings)
            run.segmenter = segmenter
            done |= {} if force else run.find_done(paths, stems, lambda: segmenter.provenance)
        results = _segment_all(ctx, run, paths, stems, done)
    if as_json:
        console.emit_json(results)
    failed = sum("error" in result for result in results)
    if failed:
        if len(paths) > 1:
            console.note(f"{failed} of {console.count(len(paths), 'picture')} failed.")
        raise typer.Exit(FAILURE)


def wanted_formats(expressions: Sequence[str], pictures: int) -> list[str]:
    """The formats of ``--format``; several pictures with overlays get previews, for their index.

    Raises:
        OptionError: a format is unknown.
    """
    from freeda_segment.outputs import DEFAULT_FORMATS, output_paths

    given = [name.strip() for expression in expressions for name in expression.split(",")]
    names = list(dict.fromkeys(name for name in given if name)) or list(DEFAULT_FORMATS)
    output_paths("", "", names)
    if pictures > 1 and "overlay" in names:
        names = list(dict.fromkeys([*names, "preview"]))
    return names


@dataclass
class _Run:
    """Segments pictures one by one, and reports each as it is done.

    Attributes:
        force: replace also files that freeda did not write.
        inputs: what is read, and never replaced.
        segmenter: None until a picture needs it.
    """

    classes: ClassList
    out: Path
    formats: Sequence[str]
    opacity: float
    as_json: bool
    force: bool
    inputs: FileIds
    segmenter: Segmenter | None = None
    _prepared: ClassPrototypes | None = None

    def find_done(
        self, paths: Sequence[Path], stems: Sequence[str], find_provenance: Callable[[], Provenance | None]
    ) -> dict[Path, dict[str, Any]]:
        """The reports of results that are up to date; asks for the provenance only if some are there."""
        from freeda_segment.errors import ImageError
        from freeda_segment.outputs import find_done, made_of, output_paths, picture_hash

        reported = {
            path: stem
            for path, stem in zip(paths, stems, strict=True)
            if output_paths(self.out, stem, ["report"])["report"].is_file()
        }
        provenance = find_provenance() if reported else None
        if provenance is None:
            return {}
        done = {}
        for path, stem in reported.items():
            with suppress(ImageError):  # whoever segments the picture will say so
                made = made_of(picture_hash(path), self.classes.classes, provenance, opacity=self.opacity)
                found = find_done(self.out, stem, made, self.formats)
                if found is not None:
                    done[path] = found
        return done

    def keep(self, path: Path, stem: str, done: dict[str, Any]) -> dict[str, Any]:
        """The record of a picture whose results are up to date."""
        from freeda_segment.outputs import output_paths

        files = output_paths(self.out, stem, dict.fromkeys([*self.formats, "report"]))
        self._note(path, "up to date (--force makes it anew)", {})
        return done | {"written": _names(files), "skipped": True}

    def one(self, path: Path, stem: str) -> dict[str, Any]:
        """The record of one picture, segmented now."""
        from freeda_segment.outputs import Result, output_paths, picture_hash, picture_place, write_fresh
        from freeda_segment.outputs.report import report
        from freeda_store.files.own_files import require_free

        assert self.segmenter is not None, "a picture is to be segmented, and no segmenter was opened"
        files = output_paths(self.out, stem, {*self.formats, "report"})
        require_free(files.values(), inputs=self.inputs, force=self.force)
        sha256 = picture_hash(path)
        prototypes = self._prototypes(self.segmenter)
        segmentation = self.segmenter.segment(path, prototypes)
        result = Result(segmentation, sha256, file=picture_place(path, self.out), opacity=self.opacity)
        files = write_fresh(self.out, stem, result, self.formats, force=self.force, inputs=self.inputs)
        self._note(path, segmentation.summary(), files)
        if segmentation.doubt:
            console.warn(f"{path}: {segmentation.doubt}")
        told = report(result.vouching(tuple(self.formats)))
        return told | {"written": _names(files), "skipped": False}

    def _prototypes(self, segmenter: Segmenter) -> ClassPrototypes:
        """Asked of the bank when the first picture needs them."""
        if self._prepared is None:
            self._prepared = segmenter.prepare(self.classes)
            notes = self._prepared.notes
            for line in notes[:_SHOWN_NOTES]:
                console.warn(line)
            if len(notes) > _SHOWN_NOTES:
                console.warn(f"and {len(notes) - _SHOWN_NOTES} more of this kind.")
        return self._prepared

    def _note(self, path: Path, line: str, files: Mapping[str, Path]) -> None:
        if not self.as_json:
            console.say(f"{path}: {line}")
            for file in files.values():
                console.say(f"  {file}")


def _names(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: str(file) for name, file in files.items()}


def _segment_all(
    ctx: typer.Context,
    run: _Run,
    paths: Sequence[Path],
    stems: Sequence[str],
    done: Mapping[Path, dict[str, Any]],
) -> list[dict[str, Any]]:
    """Segment each picture that is not done; one record per picture, and an index where there are several."""
    from freeda_segment.errors import NoPrototypesError
    from freeda_segment.outputs import IndexEntry, write_index

    records: list[dict[str, Any]] = []
    entries = []
    for path, stem in zip(paths, stems, strict=True):
        try:
            record = run.keep(path, stem, done[path]) if path in done else run.one(path, stem)
        except NoPrototypesError:
            raise  # it would be the same for every picture
        except Exception as error:  # noqa: BLE001 - one broken picture does not stop the others
            records.append({"picture": {"source": str(path)}, "error": report_one(ctx, path, error)})
            continue
        records.append(record)
        if "preview" in run.formats and "overlay" in run.formats:
            files = record["written"]
            entries.append(IndexEntry(record, Path(files["preview"]), Path(files["overlay"])))
    if entries and len(paths) > 1:
        console.note(f"side by side: {write_index(run.out, entries, force=run.force)}")
    return records
