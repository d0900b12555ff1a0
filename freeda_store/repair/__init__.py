"""Proving that a bank is sound, and repairing what is proved wrong.

Nothing here is needed to read or to write a sound bank. A bank that cannot be opened any more is the
matter of ``freeda_store.salvage``.
"""
