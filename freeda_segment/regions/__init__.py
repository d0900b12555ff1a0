"""What divides a picture, and the windows over it."""
