"""Pictures and attribution maps, named by their content: in a folder, an object store, or on the web.

How they are laid out for people is the room ``views``.
"""
