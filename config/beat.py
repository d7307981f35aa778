"""The clock: sends wake-ups at the times that the settings name, and does nothing itself.

It loads none of the site and opens no database: what it needs stands in the settings and in Redis.
With everything that tasks and Celery's commands need it took three times the memory, to send a few
messages a second. `python -m config.beat --schedule FILE` keeps in a file when it sent what.
"""

import argparse
import os
from logging.config import dictConfig

from celery import Celery
from celery.apps.beat import Beat
from celery.signals import setup_logging
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")

app = Celery("countersign", fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")


@setup_logging.connect
def log_as_the_site_does(**kwargs: object) -> None:
    """Keep Celery from making a log of its own: Django's settings and LOG_LEVEL hold here too."""
    dictConfig(settings.LOGGING)


def main() -> None:
    """Send until asked to end."""
    parser = argparse.ArgumentParser(prog="python -m config.beat", description=__doc__)
    parser.add_argument("--schedule", default="celerybeat-schedule", metavar="FILE")
    Beat(app=app, schedule=parser.parse_args().schedule).run()


if __name__ == "__main__":
    main()
