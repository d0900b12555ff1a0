"""Proving that a bank is sound, and mending what is proved wrong.

Nothing here is needed to read or to write a sound bank.
"""
