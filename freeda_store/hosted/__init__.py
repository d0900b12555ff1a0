"""Banks on servers: opened, published for readers without SQL, remembered, and waited for.

How an engine is spoken to is the room ``vectors``; PostgreSQL itself is in ``sql``.
"""
