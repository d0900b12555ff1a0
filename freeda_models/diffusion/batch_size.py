"""How many pictures a device draws at once, measured once and remembered.

Rounding depends on what a batch holds, so a run that is continued should be cut into the same
batches. Free memory differs from hour to hour; a size that followed it would differ too. So the
size is measured by drawing, rounded down to a power of two, and kept in a file of the user's cache
under the models, the generator's settings, the device, and the version of torch. Remove the file to measure
again, say when another program held the device's memory the first time. Only CUDA devices are
measured: a processor gains nothing from larger batches.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from uuid import uuid4

from freeda_models.memory import is_out_of_memory, release_memory
from freeda_models.protocols import GenerationRequest, ImageGenerator, ModelIdentity

logger = logging.getLogger(__name__)

MOST = 64
"""The largest batch that is tried."""
SHARE = 0.8
"""How much of the memory drawing may take; the rest is for the other networks and for chance."""
TRIAL_CAPTION = "a photo of a dog and a cat beside a red car in front of a house"
TRIAL_SPANS = ((13, 16), (23, 26), (40, 43), (58, 63))


def fitting_batch_size(
    generator: ImageGenerator,
    device: str,
    *,
    beside: Sequence[ModelIdentity] = (),
    memory_file: Path | None = None,
) -> int | None:
    """The batch that a CUDA device holds, a power of two; None on other devices.

    The first call for a model draws a few batches, which takes a while; later ones look it up.

    Args:
        generator: on the device, with all other networks of the run beside it.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        beside: which networks those are, since they take memory, too.
        memory_file: where sizes are remembered, by default ``freeda/batch_sizes.json`` in the
            user's cache folder.
    """
    if not device.startswith("cuda"):
        return None
    import torch

    properties = torch.cuda.get_device_properties(device)
    offload = getattr(generator, "offload", "")  # no part of an identity, for it changes no picture
    networks = [astuple(identity) for identity in (generator.identity, *beside)]
    parts = [networks, offload, properties.name, properties.total_memory, torch.__version__]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return remembered(memory_file or sizes_file(), key, lambda: _measure(generator, device))


def largest_fitting(draw: Callable[[int], int], budget: int, most: int = MOST) -> int:
    """The largest power of two that fits, at least 1.

    Args:
        draw: draws so many pictures and returns the peak of memory in bytes, or raises what
            :func:`~freeda_models.memory.is_out_of_memory` knows.
        budget: bytes that the peak may come to.
        most: the largest size to try. A size is not tried when the growth from the two before it
            says that it will not fit.
    """
    fitting, size = 1, 1
    peaks: list[int] = []
    while size <= most:
        try:
            peak = draw(size)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            peak = budget + 1
        if peak > budget:
            release_memory()
            break
        fitting = size
        peaks.append(peak)
        # Twice the pictures take twice the part of the peak that grows: between the last two sizes
        # it grew by half of that.
        if len(peaks) > 1 and peak + 2 * (peaks[-1] - peaks[-2]) > budget:
            break
        size *= 2
    return fitting


def remembered(file: Path, key: str, measure: Callable[[], int]) -> int:
    """The size kept under ``key``, or a new one, which is kept. A file that cannot be read or written
    costs a measurement, no more."""
    sizes = _read(file)
    found = sizes.get(key)
    if isinstance(found, int) and 1 <= found <= MOST:
        return found
    size = measure()
    logger.info("the device draws %d pictures at once; kept in %s", size, file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{uuid4().hex}.part")
        partial.write_text(json.dumps({**_read(file), key: size}, indent=1), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        logger.warning("the batch size could not be kept in %s (%s); it will be measured again", file, error)
    return size


def sizes_file() -> Path:
    """``freeda/batch_sizes.json`` in ``$XDG_CACHE_HOME``, ``~/.cache``, or, without a home, in ``/tmp``."""
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        cache = Path(tempfile.gettempdir())
    return cache / "freeda" / "batch_sizes.json"


def _read(file: Path) -> dict[str, object]:
    try:
        sizes = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return sizes if isinstance(sizes, dict) else {}


def _measure(generator: ImageGenerator, device: str) -> int:
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    budget = int(SHARE * (free + torch.cuda.memory_reserved(device)))

    def draw(size: int) -> int:
        torch.cuda.reset_peak_memory_stats(device)
        generator.generate([GenerationRequest(TRIAL_CAPTION, seed, TRIAL_SPANS) for seed in range(size)])
        return int(torch.cuda.max_memory_allocated(device))

    return largest_fitting(draw, budget)
