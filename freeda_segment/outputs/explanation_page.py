"""An explanation as one HTML file: style, script and pictures inside it, every text escaped.

It reads the same where scripts do not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, ImageArray
from freeda_segment.explain.explanation import Explanation
from freeda_segment.outputs.cards import CardPictures, ShownPicture
from freeda_segment.outputs.commands import Commands
from freeda_segment.outputs.files import write_text
from freeda_segment.outputs.links import INDEX_NAME, address_of, entry_address, links_to, show_link
from freeda_segment.outputs.overlay import OverlayStyle, draw_classes
from freeda_segment.outputs.pages import embedded, render_page
from freeda_segment.outputs.palette import hex_colours
from freeda_segment.outputs.result import Result
from freeda_store.views.contact_sheet import SIDE, overlay_attribution
from freeda_store.views.viewing import ThumbnailSource, look

if TYPE_CHECKING:
    from PIL import Image

    from freeda_segment.correcting import Comparison
    from freeda_segment.result import Segmentation
    from freeda_store.records import PrototypeInfo

_MOST_SIDE = 720


@dataclass(frozen=True, eq=False)
class ExplanationPage:
    """What a page shows.

    Attributes:
        segmentation: the result explained; before anything was retired.
        explanations: of its regions.
        places: a pixel (x, y) in each region.
        thumbnails: where the prototypes' pictures are.
        comparison: None when nothing was retired.
        after: explanations of the same regions after that, in the same order.
        commands: that go on from here; None for none.
    """

    segmentation: Segmentation
    explanations: Sequence[Explanation]
    places: Sequence[tuple[int, int]]
    thumbnails: ThumbnailSource
    comparison: Comparison | None = None
    after: Sequence[Explanation] = ()
    commands: Commands | None = None

    def write(self, path: Path) -> None:
        """Write the page, linked with the index beside it where that shows the picture.

        Raises:
            OutputError: it cannot be written.
        """
        index, own = path.with_name(INDEX_NAME), address_of(path)
        write_text(path, self.render(entry_address(path), indexed=links_to(index, own)))
        show_link(index, own)

    def render(self, index_address: str = f"./{INDEX_NAME}", *, indexed: bool = False) -> str:
        """The page as HTML.

        Args:
            index_address: of the picture in the index beside the page.
            indexed: whether that is there.
        """
        segmentation = self.segmentation
        return render_page(
            "explanation.html.j2",
            source=segmentation.picture.source,
            segmentation=segmentation,
            size=segmentation.size_hw[::-1],
            colours=hex_colours(len(segmentation.shares)),
            provenance=segmentation.provenance,
            alpha=segmentation.request.alpha,
            explanations=self.explanations,
            places=self.places,
            commands=self.commands,
            index_address=index_address,
            indexed=indexed,
            comparison=self.comparison,
            pairs=[] if self.comparison is None else list(zip(self.explanations, self.after, strict=True)),
            overlay=_overlay,
            spotlight=partial(_spotlight, segmentation.picture.pixels),
            prototype_pictures=self._prototype_pictures,
        )

    def _prototype_pictures(self, info: PrototypeInfo) -> CardPictures:
        """The picture it is of, and its attribution map over it; or why there is nothing to show."""
        picture, lack = look(self.thumbnails, info.picture_key, SIDE)
        if picture is None:
            return CardPictures(lack=lack)
        shown = [ShownPicture(embedded(picture), f"{info.origin} picture")]
        attribution, _ = look(self.thumbnails, info.attribution_key, SIDE)
        if attribution is not None:
            blended = overlay_attribution(np.asarray(picture), np.asarray(attribution.convert("L")))
            shown.append(ShownPicture(embedded(_image(blended)), _about(info)))
        return CardPictures(tuple(shown))


def _about(info: PrototypeInfo) -> str:
    return f"attribution of {info.noun}" if info.noun else "its region"


def _overlay(segmentation: Segmentation) -> Image.Image:
    style = OverlayStyle(least_side=480, most_side=_MOST_SIDE)
    return draw_classes(Result(segmentation), style)


def _spotlight(image: ImageArray, mask_hw: BoolArray) -> Image.Image:
    """The picture with all but a mask (of any size) darkened and grey."""
    from PIL import Image

    height, width = image.shape[:2]
    scale = min(_MOST_SIDE / max(height, width), max(1.0, 480 / max(height, width)))
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    pixels = np.asarray(_image(image).resize(size_wh, Image.Resampling.BICUBIC))
    rows = np.arange(size_wh[1]) * mask_hw.shape[0] // size_wh[1]
    columns = np.arange(size_wh[0]) * mask_hw.shape[1] // size_wh[0]
    grey = np.repeat(pixels.mean(axis=2, keepdims=True) * 0.35, 3, axis=2)
    lit = np.where(mask_hw[np.ix_(rows, columns)][:, :, None], pixels, grey)
    return _image(np.rint(lit).astype(np.uint8))


def _image(pixels: ImageArray) -> Image.Image:
    from PIL import Image

    return Image.fromarray(pixels)
