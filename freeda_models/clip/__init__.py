"""CLIP through open_clip: the network, its files and its identity."""
