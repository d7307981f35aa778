"""Going over very many records page by page, as scheduled scans and new versions do.

A page is one transaction: its events and how far it has come commit together, so a worker that
dies leaves nothing doubled and nothing lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from django.db import transaction
from django.utils import timezone

from automations.engine import database
from automations.models.existing import ExistingRecords
from automations.models.schedules import ScheduleSlot

logger = logging.getLogger(__name__)

PAGE = 2_000
# Attempts at one page before people are told; each waits twice as long as the one before.
MOST_TRIES = 5
FIRST_WAIT = timedelta(seconds=5)
# Pages wait while so much is still to be matched or done: what just happened comes first.
BACKLOG = 20_000

BUSY = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM automations_pendingevent LIMIT %s) e) >= %s
    OR (SELECT count(*) FROM (SELECT 1 FROM automations_run WHERE lane = ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp() LIMIT %s) r) >= %s
"""
Row = TypeVar("Row", ScheduleSlot, ExistingRecords)


@dataclass(frozen=True, slots=True)
class Pages(Generic[Row]):
    """A kind of row that says how far a passage over records has come.

    `waits` tells the open ones that they are looked at; `claim` takes one and counts the attempt.
    `page` does the next page of a row under lock and answers how many records; `broken` ends it.
    """

    model: type[Row]
    waits: str
    claim: str
    page: Callable[[Row], int]
    broken: Callable[[Row, str], None]

    def batch(self) -> int:
        """Go through one page of an open row; answers how many records, 0 when there is none."""
        if database.fetch(BUSY, *[BACKLOG] * 4)[0][0]:
            database.write(self.waits)
            return 0
        # Committed before the work, so that a page that kills its worker is not tried for ever.
        claimed = database.fetch(self.claim)
        if not claimed:
            return 0
        pk, tries = claimed[0]
        if tries > MOST_TRIES:
            self._give_up(pk)
            return 1
        try:
            return max(1, self._page(pk))
        except Exception as error:
            logger.exception("A page of %s %s can't be gone through", self.model.__name__, pk)
            self.model.objects.filter(pk=pk, state=self.model.State.SCANNING).update(
                run_after=timezone.now() + FIRST_WAIT * 2 ** (tries - 1), says=str(error)[:300]
            )
            return 1

    @transaction.atomic
    def _page(self, pk: int) -> int:
        row = self._locked(pk)
        return self.page(row) if row is not None else 0

    @transaction.atomic
    def _give_up(self, pk: int) -> None:
        if (row := self._locked(pk)) is not None:
            said = row.says or "The worker died each time."
            self.broken(
                row, f"{MOST_TRIES} attempts at the same records failed. The last said: {said}"
            )

    def _locked(self, pk: int) -> Row | None:
        """The row under lock, if it is still under way and nobody else holds it."""
        rows = self.model.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        return rows.filter(pk=pk, state=self.model.State.SCANNING).first()
