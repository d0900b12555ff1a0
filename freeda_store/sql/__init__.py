"""The bank's SQL: tables, rows, the catalog that asks them, schemas, and PostgreSQL.

What should exist is told here and nowhere else. Vectors, thumbnails and files are not this room's.
"""
