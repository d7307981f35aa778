"""The engine's times, shortened: leases and look-ups of minutes would make a short run long.

How they relate stays as it is: a lease outlasts any call and what settles it.
"""

from __future__ import annotations

import time
from datetime import timedelta
from types import ModuleType
from typing import Any

from automations.engine import doubts, gate, intents, outside, rounds, settling
from tests.chaos.swapping import swap

VARIABLE = "CHAOS_TIMES"
# Names a place at which a process dawdles, so that it can be hit just there.
SLOW = "CHAOS_SLOW"
SLOW_SECONDS = 1.5
PLACES: dict[str, tuple[ModuleType, str]] = {
    "before sending": (outside, "send"),
    "before settling": (settling, "settle"),
}
# A call may take CALL_SECONDS by its account's scope.
CALL_SECONDS = 2
LEASE_SECONDS = 7
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (1, 8, 20))
BELIEVE_ABSENT = timedelta(seconds=7)


def shorten() -> None:
    """Put the short times in the place of the product's, in this process."""
    for module in (intents, rounds, doubts):
        swap(module, "LEASE", timedelta(seconds=LEASE_SECONDS))
    swap(gate, "MARGIN", timedelta(seconds=2))
    for module in (settling, doubts):
        swap(module, "LOOKS", LOOKS)
        swap(module, "BELIEVE_ABSENT", BELIEVE_ABSENT)


def dawdle(place: str) -> None:
    """Take some time at a place, in this process."""
    module, name = PLACES[place]

    def slowly(*given: Any, **named: Any) -> Any:
        time.sleep(SLOW_SECONDS)
        return usual(*given, **named)

    usual = swap(module, name, slowly)
