"""From scores to labels: labelling, background and refinement of borders.

The scores themselves are made in ``regions``.
"""
