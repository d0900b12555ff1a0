"""The bank that the authors of FreeDA published: its files, and copying it into one of ours.

Banks that freeda itself wrote are moved by the room ``sharing``.
"""
