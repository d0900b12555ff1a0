"""Mask proposals through transformers: SAM 2, EdgeTAM and EoMT, their options, files and identity.

A network proposes masks of whatever it takes for an object or a part, in low resolution. Making a label map
of them is left to the segmenter.
"""
