"""Dense backbones through transformers: the networks, their files and their identity."""
