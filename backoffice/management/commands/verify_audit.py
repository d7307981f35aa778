"""Checks that nothing in the audit trail was changed, taken out or put in afterwards."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from backoffice import chain
from backoffice.chain import Head


class Command(BaseCommand):
    help = (
        "Check every link of the audit trail. Ends with 0 when all holds, with 1 and the first "
        "break in words when not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            action="store_true",
            help="only print the chain's head, to be kept where nobody here can change it",
        )
        parser.add_argument(
            "--expect",
            action="append",
            default=[],
            metavar="HEAD",
            help="a head that was printed earlier, or a file with one a line; may be repeated",
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep the result and tell people of a break"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["head"]:
            self.stdout.write(str(chain.head()))
            return
        known = [head for given in options["expect"] for head in _heads(given)]
        if options["keep"]:
            kept = chain.check(known)
            reached, finding = Head(kept.position, kept.sha256), kept.finding
        else:
            with connection.cursor() as cursor:
                verdict = chain.verify(cursor, known)
                reached, finding = verdict.head, verdict.finding or chain.guards_off(cursor) or ""
        if finding:
            raise CommandError(f"{finding} What comes before holds, up to {reached}.", returncode=1)
        self.stdout.write(f"The audit trail holds. Its head is {reached}")


def _heads(given: str) -> list[Head]:
    path = Path(given)
    lines = path.read_text().split() if ":" not in given and path.is_file() else [given]
    try:
        return [Head.read(line) for line in lines]
    except ValueError as error:
        raise CommandError(f"{given}: {error}", returncode=2) from error
