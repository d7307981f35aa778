"""Celery: a message is a wake-up that carries ids at most; PostgreSQL holds the work."""

import os

from celery import Celery
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
# One lane each, so that a long job never stands before the sweep.
app.conf.task_queues = [Queue("internal"), Queue("bulk"), Queue("sweep")]
app.autodiscover_tasks()
