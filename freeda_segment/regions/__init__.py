"""Windows over a picture, the superpixels of each window, and their similarity with each class.

No pixel gets a label here; that is the room ``pixels``.
"""
