"""Labels that other tools wrote: one format a module, all of them to :class:`~.common.PictureLabels`."""
