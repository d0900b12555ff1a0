"""What the routes of a studio share, and how it is put together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from freeda_models.presets import Preset
from freeda_segment.settings import SegmentSettings
from freeda_store.bank import Bank
from freeda_studio.engine import Engine, Networks, load_networks
from freeda_studio.labelling.backend import LabellingBackend
from freeda_studio.labelling.server import LabelStudioServer
from freeda_studio.labelling.task_pictures import TaskPictures
from freeda_studio.nouns import Nouns
from freeda_studio.settings import Access, StudioSettings
from freeda_studio.shelf import Shelf
from freeda_studio.work.folder import WorkFolder
from freeda_studio.work.running import ProcessRunner
from freeda_studio.work.states import Place
from freeda_studio.work.works import Works
from freeda_studio.writing import Corrector, Writing, refusal_of


@dataclass(frozen=True, eq=False)
class Studio:
    """One bank in a browser.

    Attributes:
        settings: what it was started with.
        access: who may reach it.
        engine: pictures and classes in, labels and reasons out.
        writing: the right to write to the bank.
        corrector: what a person corrects.
        nouns: of the bank, counted.
        works: long work, in the background.
        labelling: for tasks of Label Studio.
    """

    settings: StudioSettings
    access: Access
    engine: Engine
    writing: Writing
    corrector: Corrector
    nouns: Nouns
    works: Works
    labelling: LabellingBackend


@contextlib.contextmanager
def open_studio(
    settings: StudioSettings,
    access: Access,
    bank: Bank,
    preset: str | Preset | None = None,
    *,
    device: str = "auto",
    segment: SegmentSettings | None = None,
) -> Iterator[Studio]:
    """Load the networks of a bank, and close it in the end.

    Args:
        settings: pictures, limits.
        access: where it will listen.
        bank: opened for reading.
        preset: name or ``.toml`` path; the one that made the bank if None.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        segment: how pictures are segmented; the preset's defaults if None.

    Raises:
        PresetError, ManifestMismatchError, ModelMissingError: see
            :func:`freeda_studio.engine.load_networks`.
    """
    with bank:
        networks = load_networks(bank, preset, device=device, settings=segment)
        studio = studio_over(settings, access, bank, networks, device)
        with studio.works:
            yield studio


def studio_over(
    settings: StudioSettings, access: Access, bank: Bank, networks: Networks, device: str = "auto"
) -> Studio:
    """A studio of networks that are loaded; its works are begun and closed by who opens it.

    Args:
        settings: pictures, limits.
        access: where it will listen.
        bank: opened for reading.
        networks: whose segmenter reads this bank.
        device: where long work computes.
    """
    limits = settings.limits
    shelf = Shelf(settings.pictures, settings.folder / "pictures", limits.upload_bytes)
    engine = Engine(bank, networks, shelf, limits.memory_bytes)
    writing = Writing(settings.bank, refusal_of(bank, asked=settings.read_only))
    place = Place(settings.bank, networks.preset, device, limits.work_bytes)
    works = Works(WorkFolder(settings.folder / "work"), writing, ProcessRunner(), place)
    server = None if settings.label_studio is None else LabelStudioServer(settings.label_studio)
    labelling = LabellingBackend(engine, TaskPictures(shelf, server), limits.memory_bytes // 4)
    corrector = Corrector(engine, writing)
    return Studio(settings, access, engine, writing, corrector, Nouns(bank), works, labelling)


def studio_of(request: Request) -> Studio:
    """The studio that a request reached."""
    held: Studio = request.app.state.studio
    return held


def client_of(request: Request, x_freeda_tab: Annotated[str, Header()] = "") -> str:
    """Who asks, for fairness: a tab by the name that it gives itself, a program by its address."""
    return x_freeda_tab[:64] or (request.client.host if request.client else "")


Held = Annotated[Studio, Depends(studio_of)]
Client = Annotated[str, Depends(client_of)]
