"""The roof: settings, urls, and the pages that compose every app."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
