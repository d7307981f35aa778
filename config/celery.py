"""Celery: a message is a wake-up that carries ids at most; PostgreSQL holds the work."""

import os

from celery import Celery
from celery.signals import beat_init, worker_init, worker_shutting_down
from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
# One lane each, so that a long job never stands before the sweep.
# Calls outside wait more than they work: their worker has threads (`-P threads`).
app.conf.task_queues = [Queue("internal"), Queue("bulk"), Queue("sweep"), Queue("external")]
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def refuse_powerful_role(**kwargs: object) -> None:
    """A worker or beat whose database role could switch the guards off does not start."""
    from backoffice import grants  # noqa: PLC0415 - Django is set up by now, not at import

    try:
        grants.refuse_powerful_role()
    except ImproperlyConfigured as error:
        # Celery swallows an Exception of a signal's receiver, and would start all the same.
        raise SystemExit(str(error)) from error


@worker_shutting_down.connect
def begin_no_more_calls(**kwargs: object) -> None:
    """A worker that is asked to end settles the calls that are under way, and begins none."""
    from automations.engine import outside  # noqa: PLC0415 - Django is set up by now

    outside.stop()
