"""Nouns of captions through spaCy, and the words that a preset knows."""
