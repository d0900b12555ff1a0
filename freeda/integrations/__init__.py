"""Bridges to other people's tools, each in a module of its own that needs the tool's package.

Nothing is imported here: ``from freeda.integrations.cvat import create``.
"""
