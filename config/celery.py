"""Celery: a message is a wake-up that carries ids at most; PostgreSQL holds the work."""

import gc
import os
import threading
import time
from contextlib import ExitStack
from functools import partial
from importlib import import_module

from celery import Celery
from celery.signals import (
    setup_logging,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_shutting_down,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

ROLE_SECONDS = 60.0
# A batch makes many thousand small objects, none of them in circles: looking for circles after
# every 700 of them, as Python does by default, took a fifth of the engine's time.
GARBAGE = (50_000, 20, 50)

# What the task in hand has bound; a worker's process, or thread, does one at a time.
_task = threading.local()


@worker_init.connect
def refuse_powerful_role(**kwargs: object) -> None:
    """A worker whose database role could switch the guards off does not start.

    While PostgreSQL is away it waits a while for the answer, and ends without one.
    """
    from backoffice import grants  # noqa: PLC0415 - Django is set up by now, not at import

    until = time.monotonic() + ROLE_SECONDS
    while True:
        try:
            grants.refuse_powerful_role()
            return
        # Celery swallows an Exception of a signal's receiver, and would start all the same.
        except ImproperlyConfigured as error:
            raise SystemExit(str(error)) from error
        except DatabaseError as error:
            if time.monotonic() > until:
                says = "PostgreSQL does not answer, so it can't be asked what our role may do"
                raise SystemExit(f"{says}: {error}") from error
            time.sleep(1)


@setup_logging.connect
def log_as_the_site_does(**kwargs: object) -> None:
    """Keep Celery from making a log of its own: Django's settings and LOG_LEVEL hold here too."""


@worker_init.connect
def load_pages(**kwargs: object) -> None:
    """Load what addresses are made from, which each process would load for itself otherwise."""
    import_module(settings.ROOT_URLCONF)


@worker_init.connect
def begin_worker(**kwargs: object) -> None:
    """Note when this worker began; the processes it forks for its tasks know it too."""
    from automations.engine import progress  # noqa: PLC0415

    progress.begin()


@worker_init.connect
@worker_process_init.connect
def collect_garbage_seldom(**kwargs: object) -> None:
    """Leave what was loaded at the start out of every collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


@task_prerun.connect
def begin_task(task_id: str = "", task: object = None, **kwargs: object) -> None:
    """Bind the task to log lines, and show that this worker works."""
    from automations.engine import progress  # noqa: PLC0415
    from backoffice import logs  # noqa: PLC0415

    name = getattr(task, "name", "")
    _task.stack = ExitStack()
    _task.stack.enter_context(logs.about(partial(dict, task=name, task_id=task_id)))
    # Nothing else does: tasks keep their connection, also one that ended with PostgreSQL.
    connection.close_if_unusable_or_obsolete()
    progress.working()


@task_postrun.connect
def end_task(**kwargs: object) -> None:
    """Unbind the task."""
    _task.stack.close()


@worker_shutting_down.connect
def begin_no_more_calls(**kwargs: object) -> None:
    """A worker that is asked to end settles the calls that are under way, and begins none."""
    from automations.engine import outside  # noqa: PLC0415 - Django is set up by now

    outside.stop()
