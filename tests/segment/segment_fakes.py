"""A world of colours: a patch's feature is its mean colour, and the bank knows colours by name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np

from freeda_models.protocols import FloatArray, ImageArray, ModelIdentity, Span
from freeda_segment.regions.superpixels import Felzenszwalb
from freeda_segment.settings import SegmentSettings
from freeda_store import Caption, Filter, Manifest, ModelRecord, NewGeneration, NewPrototype, Scores
from freeda_store.records import Neighbours, PrototypeInfo, Retrieved, RevisionInfo
from freeda_store.retrieval import PrototypeVectors
from freeda_store.vectors.filters import Condition, Operator

TEXT_DIM = 16
COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "yellow": (230, 220, 30),
}
NAMESPACE = UUID(int=7)


def small_settings(**changes: object) -> SegmentSettings:
    fields: dict[str, object] = {
        "shorter_side": 32,
        "longest_side": 96,
        "window": 32,
        "stride": 16,
        "superpixels": Felzenszwalb(scale=50.0, sigma=0.5, min_size=5),
        "k": 3,
        "background": None,
    }
    return SegmentSettings(**(fields | changes))  # type: ignore[arg-type]


def unit(vectors: np.ndarray) -> FloatArray:
    rows: FloatArray = (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
    return rows


def word_vector(word: str, dim: int = TEXT_DIM) -> FloatArray:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return unit(np.random.default_rng(seed).standard_normal(dim))


def colour_feature(colour: Sequence[float]) -> FloatArray:
    return (np.asarray(colour, dtype=np.float32) - 127.5) / 127.5


class FakeClip:
    """A text is the sum of its words; a picture is the colour name nearest to its mean."""

    def __init__(self, name: str = "clip-a", dim: int = TEXT_DIM) -> None:
        self._name, self._dim = name, dim
        self.calls = 0

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity(self._name, "", "aa", self._dim, "")

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return unit(self.encode_texts_raw(texts))

    def encode_texts_raw(self, texts: Sequence[str]) -> FloatArray:
        self.calls += 1
        rows = [sum(word_vector(word, self._dim) for word in text.rstrip(".").split()) for text in texts]
        return np.stack(rows)

    def encode_spans(self, texts: Sequence[str], spans: Sequence[Span]) -> FloatArray:
        return self.encode_texts([text[start:stop] for text, (start, stop) in zip(texts, spans, strict=True)])

    def encode_images(self, images_bhwc: ImageArray) -> FloatArray:
        means = images_bhwc.reshape(len(images_bhwc), -1, 3).mean(axis=1)
        names = [min(COLOURS, key=lambda name: np.abs(COLOURS[name] - mean).sum()) for mean in means]
        return unit(np.stack([word_vector(name, self._dim) for name in names]))


class FakeBackbone:
    """Mean colour of each cell of a grid."""

    def __init__(self, grid_hw: tuple[int, int] = (8, 8), spoil: float = 0.0) -> None:
        self._grid_hw, self._spoil = grid_hw, spoil

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("dino-a", "", "bb", 3, "")

    @property
    def grid_hw(self) -> tuple[int, int]:
        return self._grid_hw

    def encode(self, images_bhwc: ImageArray) -> FloatArray:
        from PIL import Image

        rows, columns = self._grid_hw
        cells = [
            np.asarray(Image.fromarray(image).resize((columns, rows), Image.Resampling.BOX))
            for image in images_bhwc
        ]
        return (np.stack(cells).astype(np.float32) - 127.5) / 127.5 + np.float32(self._spoil)


def fake_manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "preset": "tiny",
        "clip": ModelRecord(id="clip-a", sha256="aa", dim=TEXT_DIM),
        "backbone": ModelRecord(id="dino-a", sha256="bb", dim=3),
        "generator": ModelRecord(id="sd-a"),
        "nouns": ModelRecord(id="spacy-a"),
        "keys": ModelRecord(id="clip-a", sha256="aa", dim=TEXT_DIM),
        "key_strategy": "template_mean",
        "templates": "none",
    }
    return Manifest.model_validate(fields | changes)


def info(noun: str, number: int) -> PrototypeInfo:
    return PrototypeInfo(
        id=uuid5(NAMESPACE, f"{noun}{number}"),
        noun=noun,
        kind="noun",
        span=(0, len(noun)),
        caption=f"a {noun} thing",
        external_id="",
        source="",
        license="",
        url="",
        seed=number,
        scores=Scores(2.0, 0.2, 0.3, 0.0),
        picture_key="",
        attribution_key="",
        revision=1,
    )


def _passes(held: PrototypeInfo, condition: Condition) -> bool:
    """Whether a prototype passes an equality; other comparisons let all pass."""
    if condition.operator not in (Operator.EQ, Operator.NE):
        return True
    return (getattr(held, condition.field) in condition.values) == (condition.operator is Operator.EQ)


class FakeBank:
    """Three prototypes a colour, their text keys the embedding of its name."""

    EACH = 3

    def __init__(self, nouns: Sequence[str] = tuple(COLOURS), encoder: FakeClip | None = None) -> None:
        encoder = encoder or FakeClip()
        rng = np.random.default_rng(3)
        self.held = [info(noun, number) for noun in nouns for number in range(self.EACH)]
        self.keys = np.zeros((0, 8), np.float32)
        if self.held:
            self.keys = encoder.encode_texts([each.noun for each in self.held])
        features = [colour_feature(COLOURS.get(each.noun, (127, 127, 130))) for each in self.held]
        self.visuals = np.array(features).reshape(-1, 3) + rng.normal(0, 0.02, (len(features), 3))
        self.queries = self.probes = self.searches = 0
        self.semantics: FloatArray | None = None
        self.closed = False

    @property
    def manifest(self) -> Manifest:
        return fake_manifest()

    @property
    def revision(self) -> RevisionInfo | None:
        return RevisionInfo(4, 3, "colours", "", "", 12, 0)

    @property
    def address(self) -> str:
        return "colours@4"

    def close(self) -> None:
        self.closed = True

    def infos(self, where: Filter = Filter()) -> Iterator[PrototypeInfo]:  # noqa: B008
        return (self.held[row] for row in self.passing(where))

    def vectors(self, ids: Sequence[UUID]) -> PrototypeVectors:
        row_of = {each.id: row for row, each in enumerate(self.held)}
        rows = [row_of[id_] for id_ in ids]
        return PrototypeVectors(tuple(ids), self.keys[rows], self.visuals[rows].astype(np.float32))

    def derived(self, name: str, make: Callable[[], bytes], where: Filter = Filter()) -> bytes:  # noqa: B008
        return make()

    def passing(self, where: Filter) -> list[int]:
        return [
            row for row, each in enumerate(self.held) if all(_passes(each, one) for one in where.conditions)
        ]

    def neighbours(
        self,
        queries: FloatArray,
        k: int,
        where: Filter = Filter(),  # noqa: B008
        revision: int | None = None,
    ) -> Neighbours:
        self.searches += 1
        held = np.array(self.passing(where), dtype=np.intp)
        cosines = unit(queries) @ unit(self.visuals[held]).T.astype(np.float32)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        semantics = np.zeros((len(held), 0), np.float32) if self.semantics is None else self.semantics[held]
        return Neighbours(
            order.astype(np.int32),
            np.take_along_axis(cosines, order, axis=1),
            tuple(self.held[row].id for row in held),
            tuple(self.held[row] for row in held),
            self.keys[held],
            semantics,
        )

    def nearest(self, queries: FloatArray, k: int, where: Filter = Filter()) -> list[Retrieved]:  # noqa: B008
        asks_for_examples = any(each.field == "kind" for each in where.conditions)
        self.queries += 0 if asks_for_examples else len(queries)
        self.probes += len(queries) if asks_for_examples else 0
        rows = self.passing(where)
        found = []
        for query in queries:
            if not rows or self.keys is None or self.visuals is None:
                empty = np.zeros((0, 3), np.float32)
                found.append(Retrieved((), np.zeros(0, np.float32), empty, ()))
                continue
            cosines = self.keys[rows] @ query
            order = np.argsort(-cosines, kind="stable")[:k]
            chosen = [rows[i] for i in order]
            found.append(
                Retrieved(
                    tuple(self.held[i].id for i in chosen),
                    cosines[order].astype(np.float32),
                    self.visuals[chosen].astype(np.float32),
                    tuple(self.held[i] for i in chosen),
                )
            )
        return found


class FullBank(FakeBank):
    """Enough prototypes of each colour for it to compete with colours that are named."""

    EACH = 4


def colour_generation(noun: str, number: int) -> NewGeneration:
    """A generation for a real bank: one prototype of a colour."""
    rng = np.random.default_rng(number)
    prototype = NewPrototype(
        noun=noun,
        kind="noun",
        span=(2, 2 + len(noun)),
        text_key=FakeClip().encode_texts([noun])[0],
        visual=(colour_feature(COLOURS[noun]) + rng.normal(0, 0.02, 3)).astype(np.float32),
        scores=Scores(2.0, 0.3, 0.4, 0.0),
        attribution_hw=np.zeros((8, 8), np.uint8),
    )
    picture = np.full((16, 16, 3), COLOURS[noun], np.uint8)
    return NewGeneration(Caption(f"a {noun} thing {number}", source="colours"), number, picture, (prototype,))


def striped_picture(names: Sequence[str], height: int, width: int) -> ImageArray:
    """Vertical stripes of equal width, one a colour."""
    picture = np.zeros((height, width, 3), np.uint8)
    for index, name in enumerate(names):
        picture[:, index * width // len(names) : (index + 1) * width // len(names)] = COLOURS[name]
    return picture


def save(path: Path, picture: ImageArray) -> Path:
    from PIL import Image

    Image.fromarray(picture).save(path)
    return path
