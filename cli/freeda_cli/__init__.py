"""The command ``freeda``: options, progress bars and messages over the other packages."""
