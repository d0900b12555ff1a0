"""Diffusion models that draw captions with attribution maps: networks, attention, files and identity."""
