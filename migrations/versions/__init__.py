"""One migration a file; the number in its name is its place in the order."""
