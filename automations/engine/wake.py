"""Wake-ups: one message for much work, sent when the work is committed, and never waited for.

A lost one is re-sent by the sweep, so Redis may be down or emptied at any moment.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Literal

import redis
from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

Stage = Literal["take", "match", "execute", "call", "scan", "existing", "backtest"]
TASKS: dict[Stage, str] = {
    "take": "automations.tasks.take_deliveries",
    "match": "automations.tasks.match_events",
    "execute": "automations.tasks.execute_runs",
    "call": "automations.tasks.call_connector",
    "scan": "automations.tasks.scan_slots",
    "existing": "automations.tasks.apply_to_existing",
    "backtest": "automations.tasks.count_backtests",
}
# While one wake-up is on its way, others would find the same work.
ON_ITS_WAY_MS = 2_000
# After a failure sales don't wait for Redis again for a while.
QUIET_SECONDS = 5.0
_quiet_until = 0.0
# The stages that this thread is working on, batch after batch, until nothing is left.
_in_hand = threading.local()


@cache
def _redis() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5, retry=None
    )


def _flag(stage: Stage, lane: str) -> str:
    return f"countersign:wake:{stage}:{lane}"


def send(stage: Stage, lane: str = "") -> None:
    """Send a wake-up unless one is on its way; never raises for a broker that is down.

    `lane` is the connector to call, empty for the other stages. None is sent for a stage that this
    thread has in hand (`here`): it finds the work itself.
    """
    if lane or stage not in getattr(_in_hand, "stages", ()):
        call_for_help(stage, lane)


@contextmanager
def here(stages: Iterable[Stage]) -> Iterator[None]:
    """Work on these stages until nothing is left: what this thread adds needs no wake-up.

    Should it break, the sweep finds what it leaves.
    """
    _in_hand.stages = frozenset(stages)
    try:
        yield
    finally:
        _in_hand.stages = frozenset()


def call_for_help(stage: Stage, lane: str = "") -> None:
    """Send a wake-up to another worker, as `send` does, also for what this thread has in hand."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        if _redis().set(_flag(stage, lane), 1, nx=True, px=ON_ITS_WAY_MS):
            given = [lane] if lane else []
            current_app.send_task(TASKS[stage], given, ignore_result=True)
    except (redis.RedisError, KombuError, OSError) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("No wake-up for %s, the sweep will find it: %s", stage, error)


def arrived(stage: Stage, lane: str = "") -> None:
    """Work that is committed from now on needs a wake-up of its own."""
    try:
        _redis().delete(_flag(stage, lane))
    except redis.RedisError as error:
        logger.warning("Redis does not answer: %s", error)


def redis_answers() -> bool:
    """Whether Redis answers within half a second."""
    try:
        return bool(_redis().ping())
    except redis.RedisError:
        return False


def waiting(queue: str) -> int:
    """How many messages wait in a queue for a worker; 0 too when Redis does not answer."""
    try:
        return _redis().llen(queue)
    except redis.RedisError:
        return 0


@cache
def _sender(stage: Stage, lane: str) -> Callable[[], None]:
    def sender() -> None:
        send(stage, lane)

    return sender


def soon(stage: Stage, lane: str = "") -> None:
    """Send a wake-up when the transaction commits, one however often it is asked for."""
    sender = _sender(stage, lane)
    waiting = transaction.get_connection().run_on_commit
    if not any(entry[1] is sender for entry in waiting):
        transaction.on_commit(sender, robust=True)
