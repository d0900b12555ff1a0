"""Every neural network of the project behind small protocols, and the presets that name them.

Start at :mod:`freeda_models.protocols` (the borders), :mod:`freeda_models.presets` (what a preset
declares) and :mod:`freeda_models.loading` (from a preset to networks). Importing this package
imports no network library: names are imported when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
