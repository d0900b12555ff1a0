"""The bank's SQL: tables, rows, the catalog that asks them, schemas, and PostgreSQL.

These rows are the record of what a bank holds. Vectors, thumbnails and files have rooms of their own.
"""
