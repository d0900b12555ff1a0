"""Captions as the world has them: whatever a file is, it becomes captions and rejects, one at a time.

``sources`` gives bytes, ``detection`` says what they are, ``lines``, ``tables``, ``documents``, ``coco``
and ``parquet`` read one format each, ``records`` makes captions of what they find, and ``reader`` is
what others call.
"""
