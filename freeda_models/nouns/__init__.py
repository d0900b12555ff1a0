"""Nouns of captions through spaCy, and the words that a preset knows.

Nothing here computes a vector; that is the room ``text``.
"""
