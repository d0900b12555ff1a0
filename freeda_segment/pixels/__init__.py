"""From scores to labels: labelling, background and refinement of borders."""
