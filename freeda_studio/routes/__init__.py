"""What the studio answers: one module for each screen and each part of the API."""

from freeda_studio.routes import corrections, downloads, health, pictures, segment, thumbnails, work

ROUTERS = (
    health.router,
    segment.router,
    pictures.router,
    corrections.router,
    downloads.router,
    thumbnails.router,
    work.router,
)
"""All routes, in the order in which they are tried."""
