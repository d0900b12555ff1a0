"""What a bank knows of each class: looked up, aggregated, and held as prototypes.

Nothing here sees a picture.
"""
