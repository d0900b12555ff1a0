"""From an address to open stores: a folder's own, or by way of ``hosted``, and what hinders writing.

Where profiles come from is the room ``profiles``; the bank that is made of open stores is
``freeda_store.bank``.
"""
