"""Dense backbones through transformers: the networks, their files and their identity.

Pooling features into prototypes or regions is left to the two stages.
"""
