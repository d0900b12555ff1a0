"""CLIP through open_clip: the network, its files and its identity.

How text keys are made with it is the room ``text``.
"""
