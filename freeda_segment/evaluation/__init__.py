"""How good a segmentation is: metrics, and data sets with exact label maps."""
