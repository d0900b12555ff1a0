"""Data sets with exact label maps. Today: the bundled rendered scenes."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from freeda_models.protocols import ImageArray
from freeda_segment.errors import DatasetError


@dataclass(frozen=True, eq=False)
class Scenes:
    """Rendered scenes that no network was trained on.

    Attributes:
        images: uint8 (N, H, W, 3) RGB.
        labels: uint8 (N, H, W), index into ``class_names``, 255 for pixels that do not count.
        class_names: names by label.
        captions: what each scene shows, in words.
    """

    images: ImageArray
    labels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int | None) -> Scenes:
        """The first so many; all of them for None."""
        kept = slice(count)
        return replace(self, images=self.images[kept], labels=self.labels[kept], captions=self.captions[kept])


def load_scenes(path: str | Path | None = None) -> Scenes:
    """Read scenes from an npz file; the bundled held-out ones by default.

    Raises:
        DatasetError: there is no such file, or it does not hold scenes.
    """
    if path is None:
        path = Path(str(resources.files("freeda_models") / "tiny" / "held_out.npz"))
    try:
        with np.load(path, allow_pickle=False) as file:
            scenes = Scenes(
                images=file["images"],
                labels=file["labels"],
                class_names=_strings(file["class_names"]),
                captions=_strings(file["captions"]),
            )
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist; give the path of an npz file of scenes.") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} does not hold scenes ({error}); make it again.") from error
    images, labels = scenes.images, scenes.labels
    if images.ndim != 4 or images.shape[3] != 3 or labels.shape != images.shape[:3]:
        raise DatasetError(
            f"{path} holds images {images.shape} and labels {labels.shape}; "
            "expected (N, H, W, 3) and (N, H, W)."
        )
    return scenes


def _strings(values: NDArray[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values.tolist())
