"""Why a region has its label.

Nothing here writes a file: the pages and JSON of explanations are in ``outputs``. Retiring prototypes and
comparing is ``correcting.py``, above.
"""
