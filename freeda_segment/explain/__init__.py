"""Why a region has its label, and what retiring prototypes changes.

Nothing here writes a file: the pages and JSON of explanations are in ``outputs``.
"""
