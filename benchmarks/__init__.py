"""Scripts that measure; each prints its figures and the command that repeats them."""
