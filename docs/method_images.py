"""Make the pictures of docs/method.md with the tiny pack: ``python -m docs.method_images``.

The first two follow one caption through the offline stage, with the functions that ``freeda ingest``
uses and the preset's settings. The third shows what a bank finds for a class name; the bank is the
one that ``freeda ingest examples/captions.jsonl`` makes, made anew unless ``--bank`` names it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.tiny_quality import PRESET, generated_bank
from freeda_ingest.identity import caption_seed
from freeda_ingest.manifests import stage_settings
from freeda_ingest.masks import Mask, make_mask, normalise
from freeda_ingest.prototypes import WEIGHTINGS
from freeda_ingest.resampling import resample
from freeda_ingest.scores import masked_crop
from freeda_ingest.spans import attribution_spans
from freeda_models.loading import load_backbone, load_generator, load_noun_extractor
from freeda_models.presets import load_preset
from freeda_models.protocols import FloatArray, GenerationRequest, ImageArray, Noun, NounKind
from freeda_segment import open_segmenter
from freeda_store import Bank
from freeda_store.records import Caption
from freeda_store.views.contact_sheet import overlay_attribution

FOLDER = Path(__file__).parent / "images"
CAPTION = Caption("a yellow car on grass under a blue sky", source="docs")
SUBJECT = "car"
CLASS = "automobile"
SHOWN = 6

SIDE, GAP, LINE = 176, 12, 17
PAPER, INK, FAINT = (255, 255, 255), (20, 20, 20), (95, 95, 95)


@dataclass(frozen=True)
class Tile:
    """A square picture with lines of text below it, the first of them dark."""

    image: Image.Image
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Walk:
    """One caption on its way: its picture, and its nouns with their maps."""

    image_hwc: ImageArray
    nouns: tuple[Noun, ...]
    attribution_shw: FloatArray


def sheet(tiles: Sequence[Tile], title: str, columns: int | None = None) -> Image.Image:
    """Tiles in rows under a title, on white."""
    columns = columns or len(tiles)
    rows = -(-len(tiles) // columns)
    height = SIDE + 4 + LINE * max(len(tile.lines) for tile in tiles)
    top = GAP + LINE + GAP
    size = (GAP + columns * (SIDE + GAP), top + rows * (height + GAP))
    drawn = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(drawn)
    pen.text((GAP, GAP), title, fill=INK, font=ImageFont.load_default(size=15))
    font = ImageFont.load_default(size=12)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = GAP + column * (SIDE + GAP), top + row * (height + GAP)
        drawn.paste(tile.image.convert("RGB"), (x, y))
        for number, line in enumerate(tile.lines):
            pen.text((x, y + SIDE + 4 + number * LINE), line, fill=FAINT if number else INK, font=font)
    return drawn


def enlarged(pixels_hwc: ImageArray, *, smooth: bool = True) -> Image.Image:
    """A picture at a tile's size."""
    kernel = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    return Image.fromarray(pixels_hwc).resize((SIDE, SIDE), kernel)


def heat(image_hwc: ImageArray, map_hw: FloatArray) -> Image.Image:
    """A picture under a map of 0..1, as contact sheets show it."""
    strength = np.clip(resample(map_hw[None], (SIDE, SIDE), "bicubic")[0], 0, 1)
    picture = np.asarray(enlarged(image_hwc))
    return Image.fromarray(overlay_attribution(picture, np.rint(strength * 255).astype(np.uint8)))


def walk() -> Walk:
    """Draw the caption as ``freeda ingest`` would."""
    preset = load_preset(PRESET)
    nouns = load_noun_extractor(preset).extract([CAPTION.text])[0]
    spans = attribution_spans(nouns)
    request = GenerationRequest(CAPTION.text, caption_seed(CAPTION, 0), tuple(spans[noun] for noun in nouns))
    drawn = load_generator(preset, "cpu").generate([request])[0]
    return Walk(drawn.image_hwc, nouns, drawn.attribution_shw)


def attribution_tiles(walked: Walk) -> Iterator[Tile]:
    """The picture, and the map of each noun; phrases share the map of their head."""
    height, width = walked.image_hwc.shape[:2]
    yield Tile(enlarged(walked.image_hwc), ("generated picture", f"{width} x {height} pixels"))
    for noun, map_hw in zip(walked.nouns, walked.attribution_shw, strict=True):
        if noun.kind is NounKind.NOUN:
            stretched = normalise(map_hw)
            assert stretched is not None, f"the map of {noun.key} is flat"
            also = ", ".join(
                f"“{other.key}”"
                for other in walked.nouns
                if other.kind is NounKind.PHRASE and other.span[1] == noun.span[1]
            )
            label = f"“{noun.key}”" + (f", also of {also}" if also else "")
            rows, columns = map_hw.shape
            yield Tile(heat(walked.image_hwc, stretched), (label, f"attribution, {columns} x {rows}"))


def mask_tiles(walked: Walk) -> Iterator[Tile]:
    """From the subject's map to what is pooled and judged."""
    preset = load_preset(PRESET)
    settings = stage_settings(preset)
    height, width = walked.image_hwc.shape[:2]
    place = next(index for index, noun in enumerate(walked.nouns) if noun.key == SUBJECT)
    mask = make_mask(walked.attribution_shw[place], (height, width), settings.mask)
    assert isinstance(mask, Mask), f"the map of {SUBJECT} gives no mask: {mask}"
    upsampled = np.clip(
        resample(mask.normalised_hw[None], (height, width), settings.mask.upsampling)[0], 0, 1
    )
    grey = np.repeat(np.rint(upsampled * 255).astype(np.uint8)[..., None], 3, axis=2)
    yield Tile(enlarged(grey), ("map, normalised", "and upsampled"))
    faded = np.rint(walked.image_hwc * 0.2 + 204).astype(np.uint8)
    inside = np.where(mask.mask_hw[..., None], walked.image_hwc, faded)
    cut = f"{settings.mask.threshold}, {settings.mask.value:g}"
    yield Tile(enlarged(inside, smooth=False), (f"weak mask ({cut})", f"area {mask.area:.0%}"))
    grid = load_backbone(preset, "cpu").grid_hw
    weights = WEIGHTINGS[settings.weighting](mask.mask_hw[None], grid)[0]
    yield Tile(tokens(weights), ("token weights", f"{grid[1]} x {grid[0]} patches"))
    crop = masked_crop(walked.image_hwc, mask.mask_hw)
    yield Tile(enlarged(crop), ("masked crop, for CLIP", f"contrast {mask.contrast:.1f}"))


def tokens(weights_hw: NDArray[np.float32]) -> Image.Image:
    """Weights as grey squares with a grid between them."""
    rows, columns = weights_hw.shape
    levels = np.rint(weights_hw / max(float(weights_hw.max()), 1e-9) * 255).astype(np.uint8)
    drawn = enlarged(np.repeat(levels[..., None], 3, axis=2), smooth=False)
    pen = ImageDraw.Draw(drawn)
    for number in range(1, rows):
        pen.line([(0, number * SIDE // rows), (SIDE, number * SIDE // rows)], fill=FAINT)
    for number in range(1, columns):
        pen.line([(number * SIDE // columns, 0), (number * SIDE // columns, SIDE)], fill=FAINT)
    return drawn


def retrieval_tiles(bank: Path) -> Iterator[Tile]:
    """What the bank finds nearest to the class, among captions that do not hold its word."""
    with open_segmenter(bank, device="cpu") as segmenter:
        source = segmenter.bank
        assert isinstance(source, Bank)
        support = segmenter.prepare([CLASS]).support[0][0]
        found = zip(support.infos, support.similarities, strict=True)
        others = [(info, similarity) for info, similarity in found if CLASS not in info.caption]
        for info, similarity in others[:SHOWN]:
            picture = np.asarray(source.thumbnail(info.picture_key).convert("RGB"))
            attribution = np.asarray(source.thumbnail(info.attribution_key).convert("L"), dtype=np.float32)
            image = heat(picture, attribution / np.float32(255))
            yield Tile(image, (f"“{info.noun}”, cosine {similarity:.3f}", *halves(info.caption)))


def halves(caption: str) -> tuple[str, str]:
    """A caption on two lines, cut before ``under`` or in the middle."""
    words = caption.split()
    cut = words.index("under") if "under" in words else len(words) // 2
    return " ".join(words[:cut]), " ".join(words[cut:])


def save(image: Image.Image, name: str) -> None:
    """As a PNG under docs/images."""
    target = FOLDER / name
    image.save(target, optimize=True)
    print(f"{target} {target.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Write the three pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bank", type=Path, help="a bank of the example captions; made anew by default")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    walked = walk()
    save(sheet(list(attribution_tiles(walked)), f"“{CAPTION.text}”"), "method-attribution.png")
    save(sheet(list(mask_tiles(walked)), f"from the map of “{SUBJECT}” to its prototype"), "method-mask.png")
    with tempfile.TemporaryDirectory() as temporary:
        bank = options.bank or Path(temporary) / "bank"
        if options.bank is None:
            generated_bank(bank)
        title = f"the prototypes nearest to “{CLASS}”, a word that none of their captions holds"
        save(sheet(list(retrieval_tiles(bank)), title, columns=3), "method-retrieval.png")


if __name__ == "__main__":
    main()
