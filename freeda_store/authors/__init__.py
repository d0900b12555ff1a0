"""The bank that the authors of FreeDA published: its files, and copying it into one of ours."""
