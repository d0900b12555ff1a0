"""Where weights lie: a bundled folder, a folder of the user's, or a repository of the hub.

Nothing here loads a network. Files of the hub are looked up in its cache first, so that a preset
which is fully cached never asks the network; ``HF_HUB_OFFLINE=1`` forbids asking at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from freeda_errors.documents import fault_of
from freeda_models.errors import ModelMissingError, UnsupportedModelError

BUNDLED_PREFIX = "tiny:"
LOCAL_PREFIX = "local-dir:"
HUB_PREFIX = "hf-hub:"

RequiredFile = str | tuple[str, ...]
"""A file of a model, relative to its folder; of a tuple, one is enough."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True)
class ModelSource:
    """A folder on this machine, or a repository of the hub at a revision.

    Attributes:
        name: how a manifest names the model: hub id, folder name, or ``tiny``.
        folder: the folder, or None for a repository of the hub.
        repository: hub id, or ``""`` for a folder.
        revision: commit, branch or tag; ``""`` means the main branch.
    """

    name: str
    folder: Path | None
    repository: str = ""
    revision: str = ""

    def find(self, file: RequiredFile) -> Path | None:
        """The file's path if it is on this machine already; never asks the network."""
        return next((path for form in forms(file) if (path := self._find(form)) is not None), None)

    def _find(self, file: str) -> Path | None:
        if self.folder is not None:
            path = self.folder / file
            return path if path.is_file() else None
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repository, file, revision=self.revision or None)
        return Path(found) if isinstance(found, str) else None

    def found_folder(self, required: Sequence[RequiredFile]) -> Path | None:
        """The folder that holds every required file, or None; never asks the network."""
        paths = [self.find(file) for file in required]
        first = paths[0]
        if first is None or None in paths:
            return None
        return first.parents[len(Path(forms(required[0])[0]).parts) - 1]

    def fetch(self, required: Sequence[RequiredFile], patterns: Sequence[str] = ()) -> Path:
        """The folder with every required file, fetched from the hub where need be.

        Args:
            required: files that must be there.
            patterns: globs of everything to fetch with them (required files are always fetched).

        Raises:
            ModelMissingError: a file is in no folder, and the hub cannot be reached or lacks it.
        """
        found = self.found_folder(required)
        if found is not None:
            return found
        if self.folder is not None:
            raise ModelMissingError(
                f"folder {self.folder} lacks {self.lacking(required)}; give a complete model folder."
            )
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError

        wanted = wanted_patterns(required, patterns)
        try:
            folder = snapshot_download(self.repository, revision=self.revision or None, allow_patterns=wanted)
        except (OSError, HfHubHTTPError, ValueError) as error:
            raise ModelMissingError(
                f"{self.repository} is not on this machine and could not be fetched "
                f"({type(error).__name__}); on a machine with a network run: {self.command(wanted)}"
            ) from error
        missing = ModelSource(self.name, Path(folder)).lacking(required)
        if missing:
            raise ModelMissingError(
                f"{self.repository} lacks {missing}: name a repository, revision or variant that has them "
                "(only safetensors weights are loaded), or, if it was fetched in part, on a machine with a "
                f"network run: {self.command(wanted)}"
            )
        return Path(folder)

    def lacking(self, required: Sequence[RequiredFile]) -> str:
        """Names of the required files that are not on this machine, for a message; ``""`` for none."""
        return ", ".join(" or ".join(forms(file)) for file in required if self.find(file) is None)

    def command(self, patterns: Sequence[str]) -> str:
        """The exact ``hf download`` command that brings the files into the cache."""
        parts = ["hf download", self.repository]
        if self.revision:
            parts.append(f"--revision {self.revision}")
        parts += [f"--include '{pattern}'" for pattern in patterns]
        return " ".join(parts)


def forms(file: RequiredFile) -> tuple[str, ...]:
    """The names under which a required file may be there."""
    return (file,) if isinstance(file, str) else file


def wanted_patterns(required: Sequence[RequiredFile], patterns: Sequence[str]) -> list[str]:
    """What to fetch so that every required file comes: those that no pattern covers, and the patterns."""
    files = [form for file in required for form in forms(file)]
    alone = [file for file in files if not any(fnmatch(file, pattern) for pattern in patterns)]
    return [*dict.fromkeys(alone), *patterns]


def bundled_folder(name: str) -> Path:
    """The folder of one network of the bundled tiny pack, present or not.

    Raises:
        UnsupportedModelError: the name is no plain lower-case word.
    """
    if not (name.isascii() and name.isalpha() and name.islower()):
        raise UnsupportedModelError(
            f"'{BUNDLED_PREFIX}{name}' names no bundled model; write for example tiny:clip."
        )
    return Path(str(resources.files("freeda_models"))) / "tiny" / name


def model_source(model: str, revision: str = "") -> ModelSource:
    """Read a preset's model string: ``tiny:NAME``, ``local-dir:PATH``, a folder, or a hub id.

    Raises:
        ModelMissingError: a folder is named that does not exist.
        UnsupportedModelError: the string is neither a folder nor of the form ``owner/name``.
    """
    if model.startswith(BUNDLED_PREFIX):
        folder = bundled_folder(model.removeprefix(BUNDLED_PREFIX))
        if not folder.is_dir():
            raise ModelMissingError(
                f"this installation lacks the bundled model {model}; install freeda again."
            )
        return ModelSource(name="tiny", folder=folder)
    path = Path(os.path.expanduser(model.removeprefix(LOCAL_PREFIX)))  # noqa: PTH111 - the home of nobody stays as it is
    if model.removeprefix(LOCAL_PREFIX) and path.is_dir():
        return ModelSource(name=path.resolve().name, folder=path)
    repository = model.removeprefix(HUB_PREFIX)
    if model.startswith(LOCAL_PREFIX) or repository.startswith((".", "/", "~")):
        raise ModelMissingError(f"model folder {path} does not exist; correct the preset.")
    if not _HUB_ID.fullmatch(repository):
        raise UnsupportedModelError(
            f"model '{model}' is neither a folder nor a hub id like 'owner/name'; correct the preset."
        )
    return ModelSource(name=repository, folder=None, repository=repository, revision=revision)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        UnsupportedModelError: the file is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnsupportedModelError(f"{path} cannot be read as JSON; fetch the model again.") from error
    if not isinstance(content, dict):
        raise UnsupportedModelError(f"{path} is not a JSON object; fetch the model again.")
    return content


C = TypeVar("C", bound=BaseModel)


def read_config(path: Path, kind: type[C]) -> C:
    """A model's configuration from a JSON file.

    Raises:
        UnsupportedModelError: the file cannot be read, is not JSON, or a field is missing or wrong.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UnsupportedModelError(
            f"{path} cannot be read ({error.strerror}); fetch the model again."
        ) from error
    except ValidationError as error:
        raise UnsupportedModelError(
            f"{path} is no configuration of this kind of model ({fault_of(error)}); fetch the model again, "
            "or name another in the preset."
        ) from error


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors in a safetensors file, by name; only its header is read.

    Raises:
        UnsupportedModelError: it is no safetensors file, or is truncated.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise UnsupportedModelError(
            f"{path} is no whole safetensors file ({str(error)[:80]}); fetch the model again."
        ) from error


def file_sha256(path: Path | None) -> str:
    """SHA-256 of a file in lower-case hex, or ``""`` for None; hashed once per path, mtime and size.

    The hub's cache names a large file by its SHA-256, which is then taken from the name.
    """
    if path is None:
        return ""
    real = path.resolve()
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    status = real.stat()
    key = (str(real), status.st_mtime_ns, status.st_size)
    if key not in _hashes:
        with real.open("rb") as file:
            _hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _hashes[key]


def files_sha256(source: ModelSource, files: Sequence[str]) -> str:
    """One hash of several weights files, in their order; ``""`` if any is not on this machine."""
    hashes = [file_sha256(source.find(file)) for file in files]
    if not all(hashes):
        return ""
    if len(hashes) == 1:
        return hashes[0]
    lines = "".join(f"{value}  {file}\n" for value, file in zip(hashes, files, strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()
