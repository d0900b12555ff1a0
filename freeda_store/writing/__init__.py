"""Writing: the three stores held together, the writer of a revision, and what is checked before.

Corrections of what is there already are in ``repair``.
"""
