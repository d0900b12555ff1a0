"""From an address to open stores: folders, profiles, the settings file, and what hinders writing.

Hosted banks have a room of their own.
"""
