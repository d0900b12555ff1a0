"""Formats that hold the pictures of a whole run, as tools for data sets take them.

Each is made from the pictures' label maps and reports, so that results that were there before belong to it
like new ones. :mod:`freeda_segment.outputs.runs.formats` lists them.
"""

from freeda_segment.outputs.runs.formats import RUN_FORMATS, RunFormat, write_run
from freeda_segment.outputs.runs.pictures import LABELS, Run, RunOptions, RunPicture

__all__ = ["LABELS", "RUN_FORMATS", "Run", "RunFormat", "RunOptions", "RunPicture", "write_run"]
