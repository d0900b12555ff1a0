"""Captions and pictures as they come in the wild, for measuring what filters are worth.

To the example captions come three kinds of trouble that real caption sets have:

- *crowded* captions name three or four things. The tiny generator was trained on two at most, so
  it leaves some out or blends them; nothing is simulated here.
- *strange* captions name things that the generator cannot draw (a zebra), or that nobody can (a
  memory). Nothing is simulated here either.
- *mislabelled* pictures, a share of the example captions: the picture is that of another caption.
  In half of them another thing stands where the named one should ("swapped"), as when a generator
  draws a dog for a wolf; its attribution map is sharp, and wrong. In the other half the thing is
  left out ("absent"), as when a generator neglects a word; the map is then read at a word that
  names nothing ("under").

Everything follows from the seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from freeda_ingest import IngestReport, LoadedModels, PresetModels, RunOptions
from freeda_ingest.executors.local import LocalExecutor
from freeda_ingest.ingestor import Ingestor
from freeda_ingest.manifests import stage_settings
from freeda_models.loading import load_generator
from freeda_models.presets import Preset
from freeda_models.protocols import GeneratedImage, GenerationRequest, ImageGenerator, ModelIdentity, Span
from freeda_store import Bank, Caption, Manifest

CAPTIONS = Path(__file__).parent.parent / "examples" / "captions.jsonl"
STRANGE = 60
CROWDED = 60
THINGS = (
    *("car", "bus", "boat", "tree", "house", "cat", "dog", "elephant", "pig"),
    *("apple", "banana", "mushroom", "pumpkin", "penguin", "train", "duck"),
)
GROUNDS = ("grass", "the sand", "the water", "a road", "snow")
SKIES = ("a blue sky", "a sunset sky", "a grey sky")
UNKNOWN = ("zebra", "person", "bicycle", "guitar", "bench", "kite", "horse", "umbrella")
ABSTRACT = ("memory", "journey", "idea", "summer", "dream", "surprise")


@dataclass(frozen=True)
class Mistake:
    """A picture that is not its caption's. The wrong words are the caption's first.

    Attributes:
        drawn: the caption that is drawn instead.
        length: of the wrong words in the caption that is recorded.
        stand_in: characters of the drawn caption at which their map is read.
        shift: how much further left or right what follows them is in the drawn caption.
    """

    drawn: str
    length: int
    stand_in: Span
    shift: int

    def place(self, span: Span) -> Span:
        """A span of the recorded caption, where its map is read in the drawn one."""
        return self.stand_in if span[0] < self.length else (span[0] + self.shift, span[1] + self.shift)


@dataclass(frozen=True)
class MistakenGenerator:
    """Draws some captions wrongly; all else is the real generator's.

    Attributes:
        real: draws.
        mistakes: by the caption that is recorded.
    """

    real: ImageGenerator
    mistakes: Mapping[str, Mistake]

    @property
    def identity(self) -> ModelIdentity:
        """The real generator's: segmenting must not tell the banks apart."""
        return self.real.identity

    def generate(self, requests: Sequence[GenerationRequest]) -> list[GeneratedImage]:
        """Draw one batch, mistakes included."""
        drawn = [self._drawn(request) for request in requests]
        pictures = self.real.generate(drawn)
        return [self._told(*each) for each in zip(requests, drawn, pictures, strict=True)]

    def _drawn(self, request: GenerationRequest) -> GenerationRequest:
        mistake = self.mistakes.get(request.caption)
        if mistake is None:
            return request
        spans = tuple(dict.fromkeys(mistake.place(span) for span in request.spans))
        return replace(request, caption=mistake.drawn, spans=spans)

    def _told(
        self, asked: GenerationRequest, drawn: GenerationRequest, picture: GeneratedImage
    ) -> GeneratedImage:
        mistake = self.mistakes.get(asked.caption)
        if mistake is None:
            return picture
        rows = [drawn.spans.index(mistake.place(span)) for span in asked.spans]
        return GeneratedImage(picture.image_hwc, picture.attribution_shw[rows], picture.inside_window[rows])


@dataclass(frozen=True)
class WildCaptions:
    """Captions to ingest, and the mistakes to make with them.

    Attributes:
        captions: all of them, in a mixed order; ``source`` tells the kind.
        mistakes: by caption text.
    """

    captions: tuple[Caption, ...]
    mistakes: Mapping[str, Mistake]


def clean_captions() -> list[Caption]:
    """The example captions."""
    lines = map(json.loads, CAPTIONS.read_text(encoding="utf-8").splitlines())
    return [Caption(line["caption"], external_id=line["id"], source="examples") for line in lines]


def wild_captions(mislabelled: float, seed: int = 0) -> WildCaptions:
    """The examples with a share of mislabelled pictures, crowded and strange captions among them.

    Args:
        mislabelled: share of the example captions whose picture is another's, 0..1.
        seed: of everything that is chosen.
    """
    rng = np.random.default_rng(seed)
    examples = clean_captions()
    distinct = list(dict.fromkeys(caption.text for caption in examples))
    wrong = rng.choice(len(distinct), size=round(mislabelled * len(distinct)), replace=False)
    mistakes = {distinct[row]: _mistake(distinct[row], bool(turn % 2), rng) for turn, row in enumerate(wrong)}
    named = [
        replace(caption, source="mislabelled" if caption.text in mistakes else "examples")
        for caption in examples
    ]
    crowded = [Caption(_crowded(rng), external_id=f"crowded-{n}", source="crowded") for n in range(CROWDED)]
    strange = [Caption(_strange(rng), external_id=f"strange-{n}", source="strange") for n in range(STRANGE)]
    together = [*named, *crowded, *strange]
    order = rng.permutation(len(together))
    return WildCaptions(tuple(together[place] for place in order), mistakes)


def _mistake(text: str, absent: bool, rng: np.random.Generator) -> Mistake:
    """``a red car on grass under a blue sky`` with another thing, or none, in the car's place."""
    before, rest = text.split(" on ", 1)
    if absent:
        start = rest.index("under")
        return Mistake(rest, len(before), (start, start + len("under")), -len(f"{before} on "))
    thing = str(rng.choice([thing for thing in THINGS if thing not in before]))
    start = len(f"{_article(thing)} ")
    stop = start + len(thing)
    return Mistake(f"{_article(thing)} {thing} on {rest}", len(before), (start, stop), stop - len(before))


def _crowded(rng: np.random.Generator) -> str:
    things = [f"{_article(str(thing))} {thing}" for thing in rng.choice(THINGS, rng.integers(3, 5), False)]
    return f"{', '.join(things[:-1])} and {things[-1]} on {rng.choice(GROUNDS)} under {rng.choice(SKIES)}"


def _strange(rng: np.random.Generator) -> str:
    unknown, thing = str(rng.choice(UNKNOWN)), str(rng.choice(THINGS))
    ground, sky = rng.choice(GROUNDS), rng.choice(SKIES)
    if rng.random() < 0.5:
        return f"{_article(unknown)} {unknown} and {_article(thing)} {thing} on {ground} under {sky}"
    return f"the {rng.choice(ABSTRACT)} of {_article(thing)} {thing} on {ground} under {sky}"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def make_bank(folder: Path, manifest: Manifest, preset: Preset, wild: WildCaptions) -> IngestReport:
    """Ingest captions with their mistakes; what is there already is not made again."""
    real = PresetModels(preset, "cpu")
    models = LoadedModels(
        nouns=real.nouns,
        generator=MistakenGenerator(load_generator(preset, "cpu"), wild.mistakes),
        backbone=real.backbone,
        clip=real.clip,
        keys=real.keys,
    )
    executor = LocalExecutor(models, stage_settings(preset))
    bank = Bank.open(folder, create=manifest)
    with Ingestor(bank, executor, batch_size=preset.generator.batch_size) as ingestor:
        return ingestor.run(wild.captions, RunOptions(message="captions as they come"))
