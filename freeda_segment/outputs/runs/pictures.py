"""The pictures of a run, as the formats of a whole run get them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_segment.errors import OutputError
from freeda_segment.outputs.instances import MIN_AREA, Instance, find_instances
from freeda_segment.outputs.labels import read_labels

LABELS = "png"
"""The format of single pictures that these formats are made from."""


@dataclass(frozen=True)
class RunOptions:
    """What may be chosen of formats of a run.

    Attributes:
        min_area: share of the picture below which a connected area is no instance, 0..1.
    """

    min_area: float = MIN_AREA


@dataclass(frozen=True)
class RunPicture:
    """One picture.

    Attributes:
        path: its file.
        stem: what its results are called; no other picture of the run has it.
        label_map: file of its label map.
        width, height: in pixels, upright.
        sha256: of its file.
        scores: mean score of each class, by label; None where the picture has none of it.
    """

    path: Path
    stem: str
    label_map: Path
    width: int
    height: int
    sha256: str
    scores: tuple[float | None, ...]

    @classmethod
    def of(cls, path: Path, stem: str, label_map: Path, report: Mapping[str, Any]) -> RunPicture:
        """A picture by its report."""
        told = report["picture"]
        scores = tuple(each["score"] for each in report["classes"])
        return cls(path, stem, label_map, told["width"], told["height"], told["sha256"], scores)

    def labels(self) -> NDArray[np.int16]:
        """Its label map, int16 (H, W), -1 for pixels of no class.

        Raises:
            OutputError: it cannot be read, or is that of a picture of another size.
        """
        labels = read_labels(self.label_map).labels
        if labels.shape != (self.height, self.width):
            raise OutputError(
                f"{self.label_map} has {labels.shape[1]} x {labels.shape[0]} pixels and its picture "
                f"{self.width} x {self.height}; run again with --force."
            )
        return labels


@dataclass(frozen=True, eq=False)
class Run:
    """All pictures of a run, which have the same classes.

    Attributes:
        pictures: at least one.
        names: of the classes, by label.
        provenance: bank, models and settings, as reports have them.
        options: what was chosen.
        told: what files say of where the pictures are; :attr:`root` if None.
    """

    pictures: Sequence[RunPicture]
    names: tuple[str, ...]
    provenance: Mapping[str, Any]
    options: RunOptions = RunOptions()
    told: str | None = None

    @classmethod
    def of(
        cls,
        pictures: Sequence[RunPicture],
        report: Mapping[str, Any],
        options: RunOptions = RunOptions(),
        told: str | None = None,
    ) -> Run:
        """A run by its pictures and the report of any of them."""
        names = tuple(each["name"] for each in report["classes"])
        provenance = {key: report[key] for key in ("bank", "models", "settings")}
        return cls(pictures, names, provenance, options, told)

    @cached_property
    def root(self) -> Path:
        """The folder in which, or in folders of which, all pictures lie."""
        return Path(os.path.commonpath(list(self._folders.values())))

    @cached_property
    def _folders(self) -> dict[Path, Path]:
        """The real path of each folder that pictures lie in."""
        return {each: Path(os.path.realpath(each)) for each in {one.path.parent for one in self.pictures}}

    def place(self, picture: RunPicture) -> str:
        """Where a picture lies as seen from :attr:`root`, with slashes."""
        return (self._folders[picture.path.parent] / picture.path.name).relative_to(self.root).as_posix()

    def instances(self, picture: RunPicture) -> Iterator[Instance]:
        """The connected areas of a picture's classes that are not too small."""
        return find_instances(picture.labels(), self.options.min_area)

    def digest(self, name: str) -> str:
        """Of all that a format's files depend on: SHA-256, lower-case hex."""
        made_of = {
            "format": name,
            "version": 1,
            "pictures": [[self.place(each), each.stem, each.sha256] for each in self.pictures],
            "root": str(self.root),
            "names": self.names,
            "provenance": self.provenance,
            "options": asdict(self.options),
        }
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
