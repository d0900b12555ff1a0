"""Many pictures as one job: read, labelled and written beside each other, failures told one by one.

:mod:`freeda_segment.jobs.job` runs it; :func:`find_finished` says before, without loading a network, what
needs no work.
"""

from freeda_segment.jobs.finished import find_finished
from freeda_segment.jobs.outcome import Failed, Finished, Outcome, Task

__all__ = ["Failed", "Finished", "Outcome", "Task", "find_finished"]
