"""What a project's labelling interface asks for: which picture, which labels, and as brush or polygon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from freeda_segment.classes import MAX_TEXTS, ClassList, ClassName, check_text
from freeda_studio.errors import RequestError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CHARACTERS = 2**20
"""Of a labelling interface."""

BRUSH, POLYGON = "brushlabels", "polygonlabels"


@dataclass(frozen=True)
class Control:
    """A tag whose labels are given to regions.

    Attributes:
        name: of the tag.
        kind: :data:`BRUSH` or :data:`POLYGON`.
        labels: as results name them, with the texts that the bank is asked for.
    """

    name: str
    kind: str
    labels: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class LabelConfig:
    """A labelling interface, as far as pictures are labelled by it.

    Attributes:
        image: name of the picture's tag.
        field: of a task's data that has the picture.
        controls: at least one.
        labels: of all controls, as results name them; each once.
        classes: of the labels, in their order.
    """

    image: str
    field: str
    controls: tuple[Control, ...]
    labels: tuple[str, ...]
    classes: ClassList

    def control_of(self, label: str) -> Control:
        """The first tag that has a label.

        Raises:
            RequestError: none has.
        """
        for control in self.controls:
            if label in control.labels:
                return control
        raise RequestError(
            f"no BrushLabels or PolygonLabels tag of the project has the label '{label[:60]}'."
        )


def read_config(text: str) -> LabelConfig:
    """Read a labelling interface.

    A label's class is its ``predicted_values`` where it has some, between commas; otherwise its ``value`` and
    its ``alias``. Several names stand between bars.

    Raises:
        RequestError: it is too long, is no XML or has a document type, or names no picture that is labelled
            by BrushLabels or PolygonLabels; two labels have the same name.
        ClassesError: a label is no name of a class.
    """
    root = _parsed(text)
    images = {name: tag.get("value", "") for tag in _tags(root, "image") if (name := tag.get("name"))}
    found = [(places, each) for tag in root.iter() if (places := _places(tag)) and (each := _control(tag))]
    for image, value in images.items():
        controls = tuple(control for places, control in found if image in places)
        if controls and value.startswith("$"):
            labels: dict[str, tuple[str, ...]] = {}
            for control in controls:
                labels |= {label: texts for label, texts in control.labels.items() if label not in labels}
            return LabelConfig(image, value[1:], controls, tuple(labels), _classes(labels))
    raise RequestError(
        "the project has no Image tag of a task's field with BrushLabels or PolygonLabels; add one to its "
        "labelling interface."
    )


def _parsed(text: str) -> Element:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(text) > MAX_CHARACTERS:
        raise RequestError(
            f"the labelling interface has over {MAX_CHARACTERS:,} characters; give a shorter one."
        )
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise RequestError("the labelling interface has a document type or entities; remove them.") from error
    except (ParseError, ValueError) as error:
        raise RequestError(f"the labelling interface is not valid XML ({error}); correct it.") from error
    return root


def _tags(root: Element, kind: str) -> Iterator[Element]:
    return (tag for tag in root.iter() if tag.tag.lower() == kind)


def _places(tag: Element) -> list[str]:
    """The tags whose content a tag labels."""
    return [name.strip() for name in tag.get("toName", "").split(",") if name.strip()]


def _control(tag: Element) -> Control | None:
    name, kind = tag.get("name", ""), tag.tag.lower()
    if not name or kind not in (BRUSH, POLYGON):
        return None
    labels: dict[str, tuple[str, ...]] = {}
    for each in _tags(tag, "label"):
        result = each.get("alias") or each.get("value", "")
        texts = _texts(each)
        if result and texts:
            labels.setdefault(result, texts)
    return Control(name, kind, labels) if labels else None


def _texts(label: Element) -> tuple[str, ...]:
    chosen = label.get("predicted_values", "").replace(",", "|")
    given = chosen if chosen.strip("| ") else f"{label.get('value', '')}|{label.get('alias', '')}"
    texts = {" ".join(text.split()): None for text in given.split("|")}
    return tuple(text for text in texts if text)


def _classes(labels: dict[str, tuple[str, ...]]) -> ClassList:
    owners: dict[str, str] = {}
    for label, texts in labels.items():
        for text in texts:
            check_text(text)
            if owners.setdefault(text.casefold(), label) != label:
                raise RequestError(
                    f"the labels '{owners[text.casefold()]}' and '{label}' are both called '{text}'; rename "
                    "one, or give it other predicted_values."
                )
    if len(owners) > MAX_TEXTS:
        raise RequestError(f"the project has over {MAX_TEXTS:,} names of labels; give fewer.")
    return ClassList(tuple(ClassName(_distinct(texts)) for texts in labels.values()))


def _distinct(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Texts that differ in more than case."""
    found: dict[str, str] = {}
    for text in texts:
        found.setdefault(text.casefold(), text)
    return tuple(found.values())
