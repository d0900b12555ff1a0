"""Text keys: nouns and class names as vectors, by CLIP or by a sentence encoder."""
