"""Runs ``freeda`` commands in forked children of one warm process, so that hundreds of runs are cheap.

The process imports what commands use (:func:`warm_up`) and, where they draw or segment, loads the tiny
networks once (:func:`load_networks`); only the diffusion model is replaced, by one that draws coloured
rectangles in no time. A child runs the very entry point of the console script, is killed when a trial
says so, and tells its exit code, what it printed, how long it took and how much memory it held.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HANG_SECONDS = 60.0
"""After which a command counts as hanging; docs/reliability.md tells the longest one seen."""
MEMORY_BYTES = 1_500_000_000
"""More than this is a failure, whatever a command was given."""
_OF_BANKS = (
    *("alembic.command", "numpy.random", "qdrant_edge"),
    *("freeda_cli.main", "freeda_store.bank", "freeda_store.salvage", "freeda_store.sharing.archive"),
)
_OF_NETWORKS = (
    *("freeda_models.check", "pillow_heif", "pyarrow.parquet", "scipy.ndimage", "skimage.segmentation"),
    *("freeda_ingest.ingestor", "freeda_learn", "freeda_segment.explain", "freeda_segment.jobs"),
    "freeda_segment.segmenter",
)
_COLOURS = {
    "car": (220, 40, 40),
    "tree": (40, 160, 40),
    "boat": (230, 220, 60),
    "cat": (240, 140, 30),
    "sky": (90, 160, 240),
    "grass": (70, 200, 70),
}


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: exit code; minus the signal's number when a signal ended it.
        output, errors: standard output and standard error.
        seconds: from the fork to the end.
        memory: the most that it held in memory, in bytes; what the warm process holds is counted too.
        hung: whether it was ended because it took too long.
    """

    code: int
    output: str
    errors: str
    seconds: float
    memory: int
    hung: bool = False

    @property
    def is_made(self) -> bool:
        """Whether it was refused because what it makes is there."""
        return re.search(r"exists already|there is a bank in \S+ already", self.errors) is not None

    def faults(self, allowed: Sequence[int] = (0, 1, 2)) -> list[str]:
        """What no command may do, whatever it was given."""
        found = []
        if self.hung:
            found.append(f"took more than {HANG_SECONDS:.0f} s")
        elif self.code not in allowed:
            found.append(f"ended with {self.code}: {self.errors.strip()[-300:]}")
        if "Traceback" in self.errors or "panicked at" in self.errors:
            found.append(f"showed a traceback: {self.errors.strip()[-300:]}")
        if re.search(r"unexpected [A-Z]\w+:", self.errors):
            found.append(f"unexpected: {self.errors.strip()[-300:]}")
        if self.code in (1, 2) and not self.errors.strip() and not self.output.strip():
            found.append(f"failed with {self.code} without a word")
        if self.memory > MEMORY_BYTES:
            found.append(f"held {self.memory / 1e9:.1f} GB")
        return found


class Drawer:
    """The place of the diffusion model: a coloured rectangle per span, and its attribution map."""

    def __init__(self, identity: Any) -> None:
        self.identity = identity

    def generate(self, requests: Sequence[Any]) -> list[Any]:
        return [self._draw(request) for request in requests]

    def _draw(self, request: Any) -> Any:
        from freeda_models.protocols import GeneratedImage

        rng = np.random.default_rng(request.seed)
        image = np.full((64, 64, 3), rng.integers(0, 80, 3), dtype=np.uint8)
        maps = np.full((len(request.spans), 16, 16), 0.02, dtype=np.float32)
        for row, (start, stop) in enumerate(request.spans):
            word = request.caption[start:stop].lower().split()[-1]
            top, left = rng.integers(0, 8, 2)
            height, width = rng.integers(4, 8, 2)
            maps[row, top : top + height, left : left + width] = 1
            colour = _COLOURS.get(word, tuple(rng.integers(80, 255, 3)))
            image[top * 4 : (top + height) * 4, left * 4 : (left + width) * 4] = colour
        return GeneratedImage(image, maps, np.ones(len(request.spans), dtype=np.bool_))


def warm_up() -> None:
    """Import what every command uses; the process stays small, so that forking it costs little."""
    for name in _OF_BANKS:
        import_module(name)
    gc.freeze()  # or each fork would copy what it looks through for garbage


def load_networks() -> None:
    """Load the tiny networks, and put them where commands load theirs."""
    import torch

    torch.set_num_threads(1)
    from PIL import Image

    from freeda_models import loading
    from freeda_models.identity import identify
    from freeda_models.presets import load_preset

    Image.init()
    for name in _OF_NETWORKS:
        import_module(name)
    preset = load_preset("tiny")
    clip = loading.load_text_image_encoder(preset, "cpu")
    backbone = loading.load_backbone(preset, "cpu")
    nouns = loading.load_noun_extractor(preset)
    drawer = Drawer(identify(preset).generator)
    loading.load_text_image_encoder = lambda *_: clip
    loading.load_key_encoder = lambda *_: clip
    loading.load_backbone = lambda *_: backbone
    loading.load_noun_extractor = lambda *_: nouns
    loading.load_generator = lambda *_: drawer
    gc.freeze()


def run(
    arguments: Sequence[str | Path],
    folder: Path,
    *,
    kill_after: float | None = None,
    meanwhile: Callable[[int], None] | None = None,
    environment: dict[str, str] | None = None,
) -> Outcome:
    """Run one command in ``folder``; kill it with SIGKILL after so many seconds if asked.

    Args:
        arguments: of ``freeda``.
        folder: its working directory.
        kill_after: when to kill it, in seconds.
        meanwhile: called again and again with its process id while it runs.
        environment: variables to be added.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_freeda([os.fspath(argument) for argument in arguments], folder, output, errors, environment)
        limit = HANG_SECONDS if kill_after is None else kill_after
        status, memory, ended = _wait(child, began + limit, meanwhile)
        seconds = time.monotonic() - began
        texts = []
        for stream in (output, errors):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    outcome = Outcome(os.waitstatus_to_exitcode(status), *texts, seconds, memory)
    return replace(outcome, hung=kill_after is None and not ended)


def _wait(child: int, deadline: float, meanwhile: Callable[[int], None] | None) -> tuple[int, int, bool]:
    """Status, peak memory in bytes, and whether it ended by itself before the deadline."""
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage.ru_maxrss * 1024, True
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            return status, usage.ru_maxrss * 1024, False
        if meanwhile is not None:
            meanwhile(child)
        time.sleep(0.002)


def _be_freeda(
    arguments: list[str], folder: Path, output: Any, errors: Any, environment: dict[str, str] | None
) -> None:
    """In the child: become the console script, and never come back."""
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(errors.fileno(), 2)
        os.chdir(folder)
        os.environ.update({"HF_HUB_OFFLINE": "1", "FREEDA_SETTINGS": _no_settings()})
        os.environ.update(environment or {})
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["freeda", *arguments]
        from freeda_cli.main import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - told to the parent, which counts it as a fault
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError as error:
                os.write(2, f"could not flush: {error}\n".encode())
        os._exit(code)


def in_child(function: Callable[[], Any], limit: float = HANG_SECONDS) -> Any:
    """What ``function`` returns, called in a forked child; JSON values only.

    Raises:
        RuntimeError: the child raised, died, or took longer than ``limit`` seconds.
    """
    with tempfile.TemporaryFile() as answer:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                answer.write(json.dumps(function()).encode())
                answer.flush()
                code = 0
            except BaseException:  # noqa: BLE001 - told to the parent
                answer.write(traceback.format_exc().encode())
                answer.flush()
            finally:
                os._exit(code)
        status, _, ended = _wait(child, time.monotonic() + limit, None)
        answer.seek(0)
        text = answer.read().decode(errors="replace")
    code = os.waitstatus_to_exitcode(status)
    if code or not ended:
        last = text.strip().splitlines()[-1:] or [""]
        raise RuntimeError(f"the child {'ended with ' + str(code) if ended else 'hung'}: {last[0]}")
    return json.loads(text)


def _no_settings() -> str:
    """An empty settings file, so that no profile of the person who tortures is used."""
    path = Path(tempfile.gettempdir()) / "freeda-torture-settings.toml"
    path.touch()
    return str(path)
