"""Labels the pictures of a CVAT task, as ``cvat-cli`` runs it.

::

    cvat-cli --server-host https://app.cvat.ai task auto-annotate 123 \\
      --function-module freeda.integrations.cvat \\
      -p bank=str:flowers -p "classes=str:red car,tree|spruce,sky" --allow-unmatched-labels

Labels of the task and classes are matched by name. Needs the
package cvat-sdk: ``pip install 'freeda[cvat]'``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from freeda_models.errors import PackageMissingError
from freeda_segment.outputs.instances import MIN_AREA, TOLERANCE, Instance, find_instances

if TYPE_CHECKING:
    from cvat_sdk.auto_annotation import DetectionFunctionContext, DetectionFunctionSpec
    from PIL import Image

    from freeda_segment import ClassPrototypes, Segmenter

__all__ = ["FreedaFunction", "create"]


class FreedaFunction:
    """A detection function of CVAT's SDK: a mask, or a polygon, for each connected area of a class.

    Args:
        segmenter: open.
        prototypes: of the classes, by its ``prepare``.
        min_area: share of the picture below which an area is left out.
        tolerance: how far outlines of polygons may lie from the exact ones, in pixels.

    Raises:
        PackageMissingError: cvat-sdk is not installed.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        prototypes: ClassPrototypes,
        *,
        min_area: float = MIN_AREA,
        tolerance: float = TOLERANCE,
    ) -> None:
        self._segmenter, self._prototypes = segmenter, prototypes
        self._min_area, self._tolerance = min_area, tolerance
        self._cvat = _cvat()

    @property
    def spec(self) -> DetectionFunctionSpec:
        """The classes as labels; their ids are their places."""
        names = enumerate(self._prototypes.names)
        labels = [self._cvat.label_spec(name, index, type="any") for index, name in names]
        return self._cvat.DetectionFunctionSpec(labels=labels)

    def detect(self, context: DetectionFunctionContext, image: Image.Image) -> Sequence[Any]:
        """Label one picture.

        Args:
            context: whether polygons are wanted, and from which confidence on; regions below it are left out
                as ``unsure`` of the settings says.
            image: of the task.
        """
        segmenter = self._segmenter
        if context.conf_threshold is not None:
            segmenter = segmenter.with_settings(unsure=context.conf_threshold)
        labels = segmenter.segment(image, self._prototypes).labels
        shape = self._polygon if context.conv_mask_to_poly else self._mask
        return [shape(each) for each in find_instances(labels, self._min_area)]

    def _polygon(self, each: Instance) -> Any:
        return self._cvat.polygon(each.label, each.polygon(self._tolerance).ravel().tolist())

    def _mask(self, each: Instance) -> Any:
        from cvat_sdk.masks import encode_mask

        left, top, width, height = each.box_xywh
        *runs, _, _, _, _ = encode_mask(each.mask(), [0, 0, width, height])
        return self._cvat.mask(each.label, [*runs, left, top, left + width - 1, top + height - 1])


def create(
    classes: str,
    bank: str = "freeda-bank",
    preset: str | None = None,
    device: str = "auto",
    min_area: float = MIN_AREA,
) -> FreedaFunction:
    """What ``cvat-cli`` calls with the parameters of ``-p``.

    Args:
        classes: between commas, as for ``freeda segment -c``.
        bank: its address.
        preset: the bank's own if None.
        device: where to compute.
        min_area: see :class:`FreedaFunction`.

    Raises:
        PackageMissingError: cvat-sdk is not installed.
        BankError, NoPrototypesError: see :func:`freeda.open_segmenter` and ``Segmenter.prepare``.
    """
    from freeda_segment import open_segmenter

    _cvat()
    segmenter = open_segmenter(bank, preset=preset, device=device)
    return FreedaFunction(segmenter, segmenter.prepare(classes), min_area=min_area)


def _cvat() -> Any:
    try:
        import cvat_sdk.auto_annotation
    except ImportError:
        raise PackageMissingError("cvat-sdk is not installed; run `pip install 'freeda[cvat]'`.") from None
    return cvat_sdk.auto_annotation
