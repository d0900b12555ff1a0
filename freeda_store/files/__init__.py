"""Files and the system under them: opened, written whole, never overwritten, and what can go wrong.

Nothing here opens a bank.
"""
