"""Text keys: nouns and class names as vectors, by CLIP or by a sentence encoder.

CLIP's network is in ``clip``; which words of a caption are nouns is decided in ``nouns``.
"""
