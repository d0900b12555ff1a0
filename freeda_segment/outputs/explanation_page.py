"""An explanation as one HTML file: no script, every picture inside it, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from freeda_models.protocols import BoolArray, ImageArray
from freeda_segment.explain.explanation import ClassEvidence, Explanation, PrototypeEvidence
from freeda_segment.outputs.overlay import OverlayStyle, draw_overlay
from freeda_segment.outputs.result import Result
from freeda_store.files.own_files import HTML_START
from freeda_store.views.contact_sheet import SIDE, overlay_attribution
from freeda_store.views.viewing import ThumbnailSource, look

if TYPE_CHECKING:
    from PIL import Image

    from freeda_segment.correcting import Comparison
    from freeda_segment.result import Segmentation
    from freeda_store.records import PrototypeInfo

_MOST_SIDE = 720
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem; padding: 0 1rem;
  color: #191919; background: #fff; }
h2 { border-top: 1px solid #ddd; padding-top: 1rem; }
img { max-width: 100%; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem 1rem .15rem 0; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; align-items: start; }
.pair figure { flex: 1 1 20rem; margin: 0; }
.prototypes { display: grid; grid-template-columns: repeat(auto-fill, minmax(18.5rem, 1fr)); gap: 1rem; }
.prototypes article { border: 1px solid #ddd; padding: .5rem; overflow-wrap: anywhere; }
.prototypes p { margin: .3rem 0 0; }
.quiet, figcaption { color: #666; font-size: .87em; }
code { font-size: .87em; user-select: all; }
"""


@dataclass(frozen=True, eq=False)
class ExplanationPage:
    """What a page shows.

    Attributes:
        segmentation: the result explained; before anything was retired.
        explanations: of its regions.
        thumbnails: where the prototypes' pictures are.
        comparison: None when nothing was retired.
        after: explanations of the same regions after that, in the same order.
    """

    segmentation: Segmentation
    explanations: Sequence[Explanation]
    thumbnails: ThumbnailSource
    comparison: Comparison | None = None
    after: Sequence[Explanation] = ()

    def render(self) -> str:
        """The page as HTML."""
        title = f"Why: {escape(self.segmentation.picture.source)}"
        origin = self.segmentation.provenance
        revision = "no revision yet" if origin.revision is None else f"revision {origin.revision}"
        parts = [
            f"<h1>{title}</h1>",
            f'<p class="quiet">Bank {escape(origin.bank)}, {revision}. '
            f"Score = {self.segmentation.request.alpha:g} × local + "
            f"{1 - self.segmentation.request.alpha:g} × global.</p>",
            _figures(("labels", _overlay(self.segmentation))),
        ]
        if self.comparison is not None:
            parts.append(self._difference(self.comparison))
        parts += [self._region(number, each) for number, each in enumerate(self.explanations, start=1)]
        return (
            f"{HTML_START}<title>{title}</title>\n"
            f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
        )

    def _difference(self, comparison: Comparison) -> str:
        ids = ", ".join(f"<code>{id_}</code>" for id_ in comparison.retired)
        unused, revision = (
            len(comparison.retired) - len(comparison.used),
            comparison.after.provenance.revision,
        )
        note = f" {unused} of them stood behind no class here." if unused else ""
        rows = "".join(
            f"<tr><td>{number}</td><td>{_verdict(old)}</td><td>{_verdict(new)}</td></tr>"
            for number, (old, new) in enumerate(zip(self.explanations, self.after, strict=True), start=1)
        )
        return (
            f"<h2>After retiring</h2><p>{ids}: retired in revision {revision}.{note} "
            f"<b>{comparison.changed_area:.1%}</b> of the picture has another label.</p>"
            + _figures(
                ("labels now", _overlay(comparison.after)),
                ("what changed", _spotlight(self.segmentation.picture.pixels, comparison.changed)),
            )
            + f"<table><tr><th>region</th><th>before</th><th>now</th></tr>{rows}</table>"
        )

    def _region(self, number: int, each: Explanation) -> str:
        left, top, right, bottom = each.box_xyxy
        what = escape(each.label_name) or "no class"
        classes = [each.best, *([each.runner_up] if each.runner_up is not None else [])]
        rows = "".join(
            f"<tr><td>{escape(one.name)}</td><td>{one.score:.4f}</td><td>{one.local:.4f}</td>"
            f"<td>{one.global_score:.4f}</td><td>{one.total}</td></tr>"
            for one in classes
        )
        margin = "" if each.margin is None else f"<p>Margin over the runner-up: <b>{each.margin:.4f}</b></p>"
        return (
            f"<h2>Region {number}: {what}</h2>"
            f'<p class="quiet">{each.area:.1%} of the picture, x {left} to {right}, y {top} to {bottom}.</p>'
            + _figures(("the region", _spotlight(self.segmentation.picture.pixels, each.mask)))
            + "<table><tr><th>class</th><th>score</th><th>local</th><th>global</th><th>prototypes</th></tr>"
            + f"{rows}</table>{margin}"
            + "".join(self._prototypes(one) for one in classes)
        )

    def _prototypes(self, each: ClassEvidence) -> str:
        cards = "".join(map(self._card, each.prototypes))
        return (
            f"<h3>Behind {escape(each.name)}: {len(each.prototypes)} of {each.total} prototypes, "
            f'the most alike first</h3><div class="prototypes">{cards}</div>'
        )

    def _card(self, each: PrototypeEvidence) -> str:
        info = each.info
        alike = "" if each.likeness is None else f"looks alike {each.likeness:.3f} · "
        provenance = " · ".join(
            escape(text) for text in (info.source or "unknown source", info.license, info.url) if text
        )
        return (
            f"<article>{self._pictures(each)}<p>{escape(info.caption)}</p>"
            f'<p class="quiet">{alike}key of <b>{escape(info.noun)}</b> similar to '
            f"<b>{escape(each.text)}</b> {each.similarity:.3f}{_contrast(info)}</p>"
            f'<p class="quiet">{provenance} · revision {info.revision}</p><code>{info.id}</code></article>'
        )

    def _pictures(self, each: PrototypeEvidence) -> str:
        picture, lack = look(self.thumbnails, each.info.picture_key, SIDE)
        if picture is None:
            return f'<p class="quiet">{lack}</p>'
        attribution, _ = look(self.thumbnails, each.info.attribution_key, SIDE)
        shown = [_img(picture, "generated picture")]
        if attribution is not None:
            blended = overlay_attribution(np.asarray(picture), np.asarray(attribution.convert("L")))
            shown.append(_img(_image(blended), f"attribution of {each.info.noun}"))
        return " ".join(shown)


def _contrast(info: PrototypeInfo) -> str:
    """`` · contrast 2.50``; nothing where no mask was scored."""
    return f" · contrast {info.scores.contrast:.2f}" if info.scores.known else ""


def _verdict(each: Explanation) -> str:
    """``car 0.5512, then tree 0.5400``, escaped."""
    told = f"{escape(each.best.name)} {each.best.score:.4f}"
    if each.runner_up is not None:
        told += f", then {escape(each.runner_up.name)} {each.runner_up.score:.4f}"
    if each.label != each.best.index:
        told += f" (labelled {escape(each.label_name) or 'no class'})"
    return told


def _overlay(segmentation: Segmentation) -> Image.Image:
    style = OverlayStyle(least_side=480, most_side=_MOST_SIDE)
    return draw_overlay(Result(segmentation), style)


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


def _figures(*captioned: tuple[str, Image.Image]) -> str:
    figures = "".join(
        f"<figure>{_img(picture, text)}<figcaption>{escape(text)}</figcaption></figure>"
        for text, picture in captioned
    )
    return f'<div class="pair">{figures}</div>'


def _img(picture: Image.Image, text: str) -> str:
    buffer = BytesIO()
    picture.save(buffer, format="WEBP", quality=85, method=2)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img src="data:image/webp;base64,{data}" alt="{escape(text)}">'
