"""Text-to-image diffusion with attribution maps: networks, attention, files and identity.

Masks and prototypes are made of the maps by ``freeda_ingest``, not here.
"""
