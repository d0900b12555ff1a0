"""``freeda segment``: pictures and class names in, labelled pictures out."""
EPILOG="x"
def segment() -> None:
    """Say nothing."""
