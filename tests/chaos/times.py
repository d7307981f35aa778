"""The engine's times, shortened: leases and look-ups of minutes would make a short run long.

How they relate stays as it is: a lease outlasts any call and what settles it.
"""

from __future__ import annotations

from datetime import timedelta

from automations.engine import doubts, gate, intents, rounds, settling

VARIABLE = "CHAOS_TIMES"
# A call may take CALL_SECONDS by its account's scope.
CALL_SECONDS = 2
LEASE_SECONDS = 10
LOOKS = tuple(timedelta(seconds=seconds) for seconds in (1, 8, 20))
BELIEVE_ABSENT = timedelta(seconds=7)


def shorten() -> None:
    """Put the short times in the place of the product's, in this process."""
    lease = timedelta(seconds=LEASE_SECONDS)
    intents.LEASE = rounds.LEASE = doubts.LEASE = lease
    gate.MARGIN = timedelta(seconds=2)
    settling.LOOKS = doubts.LOOKS = LOOKS
    settling.BELIEVE_ABSENT = doubts.BELIEVE_ABSENT = BELIEVE_ABSENT
