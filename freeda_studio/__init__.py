"""The studio: a bank in a browser, to segment, see why, and correct.

Start at :mod:`freeda_studio.app` (one bank, one application) and :mod:`freeda_studio.engine` (pictures and
classes in, labels and reasons out, whoever asks). It needs the extra ``serve``.
"""
