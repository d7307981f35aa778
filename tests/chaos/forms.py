"""The forms a run can take: a soak, the recovery times, or one planted bug."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.chaos import ledger, times
from tests.chaos.faults import Amounts
from tests.chaos.soak import Servers, Verdict, soak
from tests.chaos.world import Bed, world

# Seconds between two faults, so that what was hit last is up again, or nearly.
GAP_SECONDS = 3.0


def run(
    bed: Bed, servers: Servers, given: argparse.Namespace, say: Callable[[str], None]
) -> Verdict:
    """What the command line asks for."""
    amounts = Amounts(given.kills, given.flushes, given.pg_stops, given.pauses)
    several = amounts.kills + amounts.flushes + amounts.pg_stops + amounts.pauses
    seconds = given.seconds or GAP_SECONDS * (several + 4)
    with (
        ledger.outside(bed.folder) as outside,
        world(bed, **{times.VARIABLE: "short"}) as processes,
    ):
        return soak(
            processes,
            outside,
            servers,
            amounts,
            seed=given.seed,
            events=given.events,
            seconds=seconds,
            say=say,
        )
