"""Moving banks: between folders, hosted banks, archives and dataset repositories, revision by revision.

Publishing a hosted bank's history to its readers is in ``hosted``.
"""
