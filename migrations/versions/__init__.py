"""One migration per file; the number in its name is its place in the order."""
