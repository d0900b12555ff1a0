"""Banks on servers: opened, published for readers without SQL, and remembered on disk.

How an engine is spoken to is the room ``vectors``; PostgreSQL itself is in ``sql``; second tries are
``freeda_store.patience``.
"""
