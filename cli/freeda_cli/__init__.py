"""The command ``freeda``: options, progress bars and messages over the other packages.

Only this package prints. It computes nothing that a library user would miss.
"""
