"""What the studio answers: one module for each screen and each part of the API."""

from freeda_studio.routes import (
    api_page,
    bank,
    bank_api,
    corrections,
    downloads,
    health,
    history,
    history_api,
    label_studio,
    pictures,
    segment,
    thumbnails,
    work,
)

ROUTERS = (
    api_page.router,
    health.router,
    segment.router,
    pictures.router,
    corrections.router,
    downloads.router,
    label_studio.router,
    thumbnails.router,
    work.router,
    bank.router,
    bank_api.router,
    history.router,
    history_api.router,
)
"""All routes, in the order in which they are tried."""
