"""Segment any class in any picture without training, from a bank of prototypes that you can see and correct.

::

    import freeda

    result = freeda.segment("photo.jpg", "red car,tree,grass", bank="flowers")
    trees = result.mask("tree")  # bool (H, W)

This package is the way in; it holds no logic of its own. Names are imported when first used, so that
``import freeda`` costs nothing. The rooms behind it: ``freeda_models`` (the networks), ``freeda_store``
(the bank), ``freeda_ingest`` (captions to prototypes) and ``freeda_segment`` (pictures to masks).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
