"""Words outside what a preset's models know, for presets that know only few (``tiny``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from freeda_models.presets import Preset

_IRREGULAR: Mapping[str, str] = {
    "men": "man",
    "women": "woman",
    "people": "person",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "feet": "foot",
    "teeth": "tooth",
}
_ENDINGS: tuple[tuple[str, str], ...] = (
    ("s", ""),
    ("es", ""),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
    ("ses", "s"),
)


def unknown_names(preset: Preset, names: Iterable[str]) -> list[str]:
    """Those noun keys or class names that the preset's models do not know, in order, once each.

    A name is known if it can be split into known words or phrases: "red cars" is known when "red"
    and "car" are. Case and plural endings do not matter. A preset that declares no ``nouns_known``
    knows everything.
    """
    if not preset.nouns_known:
        return []
    known = {tuple(_words(word)) for word in preset.nouns_known}
    return [name for name in dict.fromkeys(names) if not _is_known(_words(name), known)]


def spellings(name: str) -> frozenset[str]:
    """A name in lower case, as it is and with its last word in each possible singular."""
    words = _words(name)
    return frozenset(" ".join(each) for each in _singulars(words)) if words else frozenset()


def _words(name: str) -> list[str]:
    return name.casefold().replace("-", " ").split()


def _is_known(words: list[str], known: set[tuple[str, ...]]) -> bool:
    """True if the words are a sequence of known ones (longest pieces are tried as well as short)."""
    reachable = [True] + [False] * len(words)
    for stop in range(1, len(words) + 1):
        reachable[stop] = any(
            reachable[start] and any(piece in known for piece in _singulars(words[start:stop]))
            for start in range(stop)
        )
    return reachable[-1]


def _singulars(words: list[str]) -> Iterator[tuple[str, ...]]:
    """The words as they are, and with the last one in each possible singular."""
    *first, last = words
    yield (*first, last)
    if last in _IRREGULAR:
        yield (*first, _IRREGULAR[last])
    for ending, replacement in _ENDINGS:
        if last.endswith(ending) and len(last) > len(ending) + 1:
            yield (*first, last.removesuffix(ending) + replacement)
