"""The web server: granian, its processes forked from one that has the site loaded.

So what is loaded stands in memory once and not once a process, and it is loaded once at a start.
Takes granian's own options: `python -m config.web --interface wsgi config.wsgi:application …`.
"""

import gc
import multiprocessing
import os
from importlib import import_module

import django
from django.conf import settings
from granian.cli import entrypoint


def load() -> None:
    """Load all that every process of the web needs. Opens no connection: a fork would share it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    import_module(settings.ROOT_URLCONF)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    # Python 3.14 starts its processes from a fresh one, which has loaded nothing.
    multiprocessing.set_start_method("fork")
    load()
    entrypoint()  # type: ignore[no-untyped-call]
