"""The settings file, the profiles of hosted banks in it, and which addresses name one.

Nothing here reaches a server: that is ``hosted``.
"""
