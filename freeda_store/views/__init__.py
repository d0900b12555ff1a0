"""A bank laid out for people: counts, contact sheets, tables, and how nouns stand apart.

Nothing here changes a bank.
"""
