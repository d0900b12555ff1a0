"""What a picture costs once: regions, patch features and CLIP embeddings of its windows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from freeda_models.protocols import (
    DenseBackbone,
    FloatArray,
    GuidedImageEncoder,
    ImageArray,
    LabelArray,
    TextImageEncoder,
)
from freeda_models.unit_vectors import normalised
from freeda_segment.errors import ModelOutputError, OptionError
from freeda_segment.images import Picture
from freeda_segment.regions.merging import merge_similar
from freeda_segment.regions.numbering import numbered
from freeda_segment.regions.providers import DividedPicture, RegionProvider, divide_picture
from freeda_segment.regions.seen import SeenRegions
from freeda_segment.regions.similarity import RegionFeatures, pool_regions
from freeda_segment.regions.windows import Box, resize_picture, window_boxes, working_size
from freeda_segment.retrieval.neighbours import NeighbourCache
from freeda_segment.settings import SegmentSettings


@dataclass(frozen=True, eq=False)
class EncodedWindow:
    """One window of the working picture.

    Attributes:
        box: where it lies in the working picture.
        labels: int32 (H, W), its regions: 0..S-1 without gaps, or -1.
        regions: their features.
        tokens: float32 (h, w, D), L2-normalised patch features.
        embedding: float32 (D_clip,), its CLIP embedding.
        seen: what CLIP sees in its regions; None where that does not count.
    """

    box: Box
    labels: LabelArray
    regions: RegionFeatures
    tokens: FloatArray
    embedding: FloatArray
    seen: SeenRegions | None = None


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture ready to be labelled with any classes.

    Attributes:
        picture: the original.
        working: uint8 (h, w, 3), the resized picture that the networks saw.
        windows: at least one, together covering ``working``.
        settings: that it was made with; None when made by hand.
        divided: the whole working picture, from which the windows' regions were cut; None where each window
            was divided on its own.
        neighbours: of its regions, remembered when they are first searched for.
    """

    picture: Picture
    working: ImageArray
    windows: tuple[EncodedWindow, ...]
    settings: SegmentSettings | None = None
    divided: DividedPicture | None = None
    neighbours: NeighbourCache = field(default_factory=NeighbourCache)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of the original picture."""
        return self.picture.size_hw

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Where the windows lie."""
        return tuple(window.box for window in self.windows)


@dataclass(frozen=True, eq=False)
class StartedImage:
    """A picture on its way to the networks: resized, its windows being divided in threads.

    Attributes:
        picture: the original.
        working: uint8 (h, w, 3), the resized picture.
        boxes: its windows, all of one size.
        divided: the regions of each window; empty where a provider is still to be asked for them.
    """

    picture: Picture
    working: ImageArray
    boxes: tuple[Box, ...]
    divided: tuple[Future[LabelArray], ...] = ()


@dataclass(frozen=True, eq=False)
class EncodingFailure:
    """A picture of several that could not be encoded, and why; the others go on."""

    picture: Picture
    error: Exception


def start_image(
    picture: Picture, settings: SegmentSettings, pool: Executor, regions: RegionProvider | None = None
) -> StartedImage:
    """Resize a picture and let threads divide its windows into superpixels.

    Without a provider each window is divided on its own, as the authors do; a provider is asked later.

    Args:
        picture: to be encoded.
        settings: sizes and superpixels.
        pool: of threads; superpixels let go of the interpreter, so that they are found beside the networks.
        regions: as :func:`encode_images` will get it.
    """
    wanted = working_size(picture.size_hw, settings.shorter_side, settings.longest_side)
    working = resize_picture(picture.pixels, wanted, settings.resize)
    boxes = window_boxes((working.shape[0], working.shape[1]), settings.window, settings.stride)
    divided: tuple[Future[LabelArray], ...] = ()
    if regions is None:
        divided = tuple(pool.submit(settings.superpixels, working[box.slices]) for box in boxes)
    return StartedImage(picture, working, boxes, divided)


def superpixel_pool() -> ThreadPoolExecutor:
    """Threads for :func:`start_image`, one per processor."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="superpixels")


def encode_image(
    picture: Picture,
    clip: TextImageEncoder,
    backbone: DenseBackbone,
    settings: SegmentSettings,
    regions: RegionProvider | None = None,
) -> EncodedImage:
    """Resize, divide into windows and regions, and run the networks over the windows in batches.

    Raises:
        ModelOutputError: a network gave values that are not finite.
        OptionError: the provider of regions gave no such map, or CLIP cannot say what it sees in each place.
    """
    with superpixel_pool() as pool:
        work = _Work(start_image(picture, settings, pool, regions), settings, regions)
        windows = range(len(work.boxes))
        for first in range(0, len(windows), settings.batch_size):
            batch = windows[first : first + settings.batch_size]
            _encode_batch([(work, window) for window in batch], clip, backbone)
        return work.encoded()


def encode_images(
    images: Iterable[StartedImage | None],
    clip: TextImageEncoder,
    backbone: DenseBackbone,
    settings: SegmentSettings,
    regions: RegionProvider | None = None,
) -> Iterator[EncodedImage | EncodingFailure]:
    """Encode pictures one after another; windows of several share a batch where they have one size.

    A picture whose batch fails is encoded once more by itself, so that no other fails with it.

    Args:
        images: by :func:`start_image`, with the same settings; the next is asked for when a batch has room.
            None has the networks run on what waits, however little.

    Yields:
        What became of each picture, in order.
    """
    queue = _Queue(clip, backbone, settings, regions)
    for image in images:
        if image is None:
            queue.run(1)
        else:
            queue.add(image)
            queue.run(settings.batch_size)
        yield from queue.finished()
    queue.run(1)
    yield from queue.finished()


class _Queue:
    """Pictures on their way through the networks, and their windows that wait for a batch."""

    def __init__(
        self,
        clip: TextImageEncoder,
        backbone: DenseBackbone,
        settings: SegmentSettings,
        regions: RegionProvider | None,
    ) -> None:
        self._clip, self._backbone, self._settings, self._regions = clip, backbone, settings, regions
        self._pictures: deque[_Work | EncodingFailure] = deque()
        self._windows: deque[tuple[_Work, int]] = deque()

    def add(self, image: StartedImage) -> None:
        try:
            work = _Work(image, self._settings, self._regions)
        except Exception as error:  # noqa: BLE001 - told of this picture
            self._pictures.append(EncodingFailure(image.picture, error))
            return
        self._pictures.append(work)
        self._windows.extend((work, window) for window in range(len(work.boxes)))

    def run(self, least: int) -> None:
        """Run batches until fewer windows than ``least`` wait."""
        while len(self._windows) >= least:
            size = self._windows[0][0].window_hw
            batch: list[tuple[_Work, int]] = []
            while self._windows and len(batch) < self._settings.batch_size:
                if self._windows[0][0].window_hw != size:
                    break
                batch.append(self._windows.popleft())
            try:
                _encode_batch(batch, self._clip, self._backbone)
            except Exception:  # noqa: BLE001 - each picture of the batch is tried again alone
                for work, _ in batch:
                    work.alone = True

    def finished(self) -> Iterator[EncodedImage | EncodingFailure]:
        """The first pictures, as far as all their windows were encoded."""
        while self._pictures:
            first = self._pictures[0]
            if isinstance(first, _Work) and not first.finished:
                return
            self._pictures.popleft()
            yield self._finish(first) if isinstance(first, _Work) else first

    def _finish(self, work: _Work) -> EncodedImage | EncodingFailure:
        if not work.alone:
            return work.encoded()
        picture = work.started.picture
        try:
            return encode_image(picture, self._clip, self._backbone, self._settings, self._regions)
        except Exception as error:  # noqa: BLE001 - told of this picture
            return EncodingFailure(picture, error)


class _Work:
    """A picture whose windows are being encoded."""

    def __init__(
        self, started: StartedImage, settings: SegmentSettings, regions: RegionProvider | None
    ) -> None:
        self.started, self.settings = started, settings
        self.alone = False
        self.whole: DividedPicture | None = None
        if regions is not None:
            picture, working = started.picture.pixels, started.working
            self.whole = divide_picture(regions, picture, working, settings.superpixels)
        self.merged = settings.merge_similarity if regions is None else None
        self.windows: dict[int, EncodedWindow] = {}

    @property
    def boxes(self) -> tuple[Box, ...]:
        return self.started.boxes

    @property
    def window_hw(self) -> tuple[int, int]:
        box = self.boxes[0]
        return box.bottom - box.top, box.right - box.left

    @property
    def finished(self) -> bool:
        return self.alone or len(self.windows) == len(self.boxes)

    def crop(self, window: int) -> ImageArray:
        cut: ImageArray = self.started.working[self.boxes[window].slices]
        return cut

    def labels(self, window: int) -> LabelArray:
        if self.whole is None:
            return self.started.divided[window].result()
        return numbered(self.whole.labels[self.boxes[window].slices])

    def encoded(self) -> EncodedImage:
        windows = tuple(self.windows[index] for index in range(len(self.boxes)))
        return EncodedImage(self.started.picture, self.started.working, windows, self.settings, self.whole)


def _encode_batch(
    batch: Sequence[tuple[_Work, int]], clip: TextImageEncoder, backbone: DenseBackbone
) -> None:
    """Run the networks over windows of one size, of one picture or several."""
    crops = np.stack([work.crop(window) for work, window in batch])
    tokens = _finite(backbone.encode(crops), "backbone", backbone.identity.id)
    embeddings, patches = _seen_by_clip(clip, crops, tokens, dense=batch[0][0].settings.dense_weight > 0)
    for place, (work, window) in enumerate(batch):
        labels, grid = work.labels(window), tokens[place]
        if work.merged is not None:
            labels = merge_similar(labels, grid, work.merged)
        seen = None
        if patches is not None:
            seen = SeenRegions(pool_regions(patches[place], labels).vectors, patches[place])
        work.windows[window] = EncodedWindow(
            box=work.boxes[window],
            labels=labels,
            regions=pool_regions(grid, labels),
            tokens=normalised(grid),
            embedding=embeddings[place],
            seen=seen,
        )


def _seen_by_clip(
    clip: TextImageEncoder, crops: ImageArray, tokens: FloatArray, *, dense: bool
) -> tuple[FloatArray, FloatArray | None]:
    """CLIP's embeddings of windows, (B, D_clip), and of their patches, (B, h, w, D_clip), if wanted."""
    name = clip.identity.id
    if not dense:
        return _finite(clip.encode_images(crops), "CLIP", name), None
    found = guided(clip).encode_images_guided(crops, tokens)
    return _finite(found.embeddings, "CLIP", name), _finite(found.patches, "CLIP", name)


def guided(clip: TextImageEncoder) -> GuidedImageEncoder:
    """A CLIP that says what it sees in each place.

    Raises:
        OptionError: this one cannot.
    """
    if not isinstance(clip, GuidedImageEncoder):
        raise OptionError(
            f"the CLIP model {clip.identity.id} does not say what it sees in each place; set dense_weight to "
            "0, or use a vision transformer of open_clip."
        )
    return clip


def _finite(values: FloatArray, role: str, name: str) -> FloatArray:
    if not np.isfinite(values).all():
        raise ModelOutputError(
            f"the {role} model {name} gave values that are not numbers; try another device (--device cpu)."
        )
    return values.astype(np.float32, copy=False)
