"""What the classes got of all pictures together."""

from __future__ import annotations

from dataclasses import dataclass, field

from freeda_segment.outputs.told import Told


@dataclass(frozen=True)
class ClassTotal:
    """One class in all pictures.

    Attributes:
        name: what it is called.
        colour: ``#rrggbb``.
        pictures: how many have it.
        area: its mean share of a picture, 0..1.
    """

    name: str
    colour: str
    pictures: int
    area: float


@dataclass
class _Sum:
    colour: str
    pictures: int = 0
    area: float = 0.0


@dataclass
class Totals:
    """Counts pictures as they are told.

    Attributes:
        counted: how many pictures were.
        with_other: how many of them have pixels of no class.
    """

    counted: int = 0
    with_other: int = 0
    _other: float = 0.0
    _sums: dict[str, _Sum] = field(default_factory=dict)

    def add(self, told: Told) -> None:
        """Count a picture."""
        self.counted += 1
        for each in told.classes:
            known = self._sums.setdefault(each.name, _Sum(each.colour))
            known.pictures += bool(each.pixels)
            known.area += each.area
        self._other += told.background.area
        self.with_other += bool(told.background.area)

    @property
    def other(self) -> float:
        """The mean share of no class, 0..1."""
        return self._other / self.counted if self.counted else 0.0

    def found(self) -> list[ClassTotal]:
        """The classes that any picture has, the largest first."""
        found = [
            ClassTotal(name, each.colour, each.pictures, each.area / self.counted)
            for name, each in self._sums.items()
            if each.pictures
        ]
        return sorted(found, key=lambda each: -each.area)

    def absent(self) -> list[str]:
        """The classes that none has."""
        return [name for name, each in self._sums.items() if not each.pictures]
