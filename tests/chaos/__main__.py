"""`python -m tests.chaos`: events, faults and a verdict, on servers of its own.

Exit code 0: everything held. 1: it did not; each violation is printed as a sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from config.local import services
from config.local.services import Options, Postgres, Redis
from config.local.state import VAR, State

if TYPE_CHECKING:
    from tests.chaos.soak import Servers, Verdict

SHORT = {"events": 20_000, "kills": 50, "flushes": 5, "pg_stops": 3, "pauses": 2}
LONG = {"events": 200_000, "kills": 300, "flushes": 50, "pg_stops": 20, "pauses": 10}


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def parsed() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    made.add_argument("--seed", type=int, default=1)
    for name in SHORT:
        made.add_argument(f"--{name.replace('_', '-')}", type=int, dest=name)
    made.add_argument("--seconds", type=float, help="over which the events arrive")
    made.add_argument("--long", action="store_true", help="the amounts of the long form")
    made.add_argument("--recovery", action="store_true", help="measure recovery times instead")
    made.add_argument("--planted", default="", help="run one planted bug, which has to be found")
    made.add_argument("--report", type=Path, help="write what came of it as Markdown")
    made.add_argument("--json", type=Path, help="write what came of it as JSON")
    made.add_argument("--state", type=Path, default=VAR / "chaos")
    given = made.parse_args()
    for name, amount in (LONG if given.long else SHORT).items():
        if getattr(given, name) is None:
            setattr(given, name, amount)
    return given


@contextmanager
def own_servers(home: Path, *, fast: bool) -> Iterator[Servers]:
    """PostgreSQL and Redis that nobody else uses, durable as `make run` has them, or `fast`."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    state = State(home.resolve())
    state.open()
    with state.locked():
        state.end_leftovers()
        started, addresses = services.start(
            state, Options(fast=fast, may_create=True), var=VAR, say=lambda line: None
        )
        os.environ |= addresses
        try:
            yield _servers(started)
        finally:
            for service in reversed(started):
                service.stop()
            state.end_marked()
            state.drop_socket_folder()


def _servers(started: list[services.Service]) -> Servers:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    import django  # noqa: PLC0415 - only now does the environment say where the database is

    django.setup()
    from tests.chaos.soak import Servers  # noqa: PLC0415

    postgres = next(each for each in started if isinstance(each, Postgres))
    redis = next(each for each in started if isinstance(each, Redis))
    return Servers(postgres, redis)


def work(given: argparse.Namespace, servers: Servers) -> Verdict:
    """The run that was asked for, in a database of its own that is dropped if all held."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from tests.bed.databases import clone, drop, make_template, serving  # noqa: PLC0415
    from tests.chaos.forms import run, try_all, wanted_trials  # noqa: PLC0415
    from tests.chaos.world import Bed  # noqa: PLC0415

    template = make_template()
    folder = given.state.resolve() / "runs" / time.strftime("%Y%m%d-%H%M%S")
    if given.planted:
        names = wanted_trials(given.planted)
        tried = try_all(names, template, folder, str(settings.REDIS_URL), say)
        return _told(tried)
    database = clone(template)
    bed = Bed(database.url, database.owner_url, str(settings.REDIS_URL), folder)
    with serving(database.name):
        verdict = run(bed, servers, given, say)
        connection.close()
    if not verdict.violations:
        drop(database.name)
    else:
        say(f"The database {database.name} and the logs in {folder} are kept.")
    return verdict


def _told(tried: dict[str, Verdict]) -> Verdict:
    """The verdict about the harness: it holds when every planted bug was found, and no other."""
    from tests.chaos.plants import PLANTS  # noqa: PLC0415
    from tests.chaos.soak import Verdict  # noqa: PLC0415

    said = {name: verdict.violations for name, verdict in tried.items()}
    missed = [n for n in said if n in PLANTS and not any(PLANTS[n].finds in v for v in said[n])]
    wrong = [f"{n} without a bug: {v}" for n in said if n not in PLANTS for v in said[n]]
    took = {name: verdict.figures.get("took_s") for name, verdict in tried.items()}
    violations = [*wrong, *(f"The planted bug {name} was not found." for name in missed)]
    return Verdict(0, {"planted": len(said)}, violations, {}, {"found": said, "took_s": took})


def main() -> int:
    given = parsed()
    # Only where PostgreSQL is not stopped may it be fast: what it forgot would look like our loss.
    with own_servers(given.state, fast=bool(given.planted)) as servers:
        verdict = work(given, servers)
    if given.json:
        given.json.write_text(json.dumps(verdict.as_dict(), indent=1, default=str))
    if given.report:
        from tests.chaos.report import written  # noqa: PLC0415

        given.report.write_text(written(verdict))
    print(json.dumps(verdict.as_dict(), indent=1, default=str))  # noqa: T201
    for violation in verdict.violations:
        say(f"VIOLATION: {violation}")
    say("Everything held." if not verdict.violations else f"Seed {verdict.seed} does not hold.")
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
