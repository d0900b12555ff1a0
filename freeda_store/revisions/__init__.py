"""What each revision added, in files of its own that never change: written at the commit, read by any number.

The vector engine stays the writer's. Readers search these files, and repairs take vectors back from them.
"""
