"""Watches whether work moves, and tells a supervisor what to start again."""

import logging
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.utils import timezone

from automations.engine import watchdog
from automations.engine.watchdog import Stall

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
# What an exit code tells a supervisor to start again.
CODES = {
    frozenset[str](): 6,
    frozenset({"worker"}): 3,
    frozenset({"beat"}): 4,
    frozenset({"worker", "beat"}): 5,
    frozenset({"external"}): 7,
    frozenset({"external", "worker"}): 8,
    frozenset({"external", "beat"}): 9,
    frozenset({"external", "worker", "beat"}): 10,
}
HELPLESS = CODES[frozenset()]


class Command(BaseCommand):
    help = (
        "Look every ten seconds whether rules run; report it as a log line, a case and notices "
        "when they stand still."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--exit-code",
            action="store_true",
            help=(
                "end when a restart would help: 3 start the worker again, 4 beat, 5 both, "
                "7 the external worker, 8 to 10 that with those of 3 to 5"
            ),
        )
        how.add_argument(
            "--once",
            action="store_true",
            help="look once and end: 0 work moves, 6 no restart helps, others as above",
        )
        parser.add_argument("--every", type=float, default=LOOK_SECONDS, help="seconds")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if options["once"]:
            sys.exit(code_of(watchdog.watch()))
        # A worker that is only starting has a minute from now.
        began = timezone.now()
        while not stop.is_set():
            code = code_of(look(began))
            if options["exit_code"] and code not in (0, HELPLESS):
                sys.exit(code)
            stop.wait(options["every"])


def look(since: datetime) -> list[Stall]:
    """What stands still; nothing while the database is away, which no restart would mend."""
    try:
        return watchdog.watch(since)
    except DatabaseError as error:
        logger.warning("The watchdog can't see: %s", error)
        connection.close()
        return []


def code_of(stalls: Sequence[Stall]) -> int:
    """What to tell a supervisor; 0 when work moves."""
    return CODES[frozenset(watchdog.culprits(stalls))] if stalls else 0
