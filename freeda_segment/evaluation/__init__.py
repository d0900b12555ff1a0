"""How good a segmentation is: data sets with exact label maps, methods, counts and reports.

Read in the order of the data: :mod:`.specs` (what a data set looks like), :mod:`.labelled` (its
pictures and truth), :mod:`.plan` (a method made ready), :mod:`.run` (label and count, with
:mod:`.journal` to go on from), :mod:`.metrics`, :mod:`.report`.
"""
