"""Long work of a studio: captions drawn, concepts added, labels learned, in the background.

Each is a folder with a document of how far it is (:mod:`~freeda_studio.work.documents`) and the files that
were sent for it. One at a time is done, by a process of its own (:mod:`~freeda_studio.work.child`), so that
pages stay quick; :mod:`~freeda_studio.work.works` keeps their order and what a person asks of them. What was
not done when the server ended goes on when it starts again, as the command line does.
"""
