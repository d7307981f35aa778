"""The only door to the ledger: balanced entries in, never changed, reversed when wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.utils import timezone

from backoffice.actors import Actor, Actors
from backoffice.models import LegalEntity
from backoffice.money import Money
from backoffice.sets import insert_many
from finance import signals
from finance.models.ledger import Account, JournalEntry, JournalLine
from finance.services.errors import AlreadyReversed, NotBalanced, NotRounded

Source = tuple[str, int, str]
NIL = Decimal(0)


@dataclass(frozen=True, slots=True)
class Leg:
    """One line to post: `amount` above zero debits the account, below zero credits it."""

    account: Account
    amount: Money
    memo: str = ""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """One entry to post, by its own actor. `source` (label, id, purpose) is booked once.

    `posted_on` is the business day of the entity; `code` says what kind of fact it is;
    `reference` is the number on the paper (an invoice), if there is one.
    """

    entity_id: int
    posted_on: date
    code: str
    source: Source
    legs: Sequence[Leg]
    actor: Actor
    reference: str = ""
    reverses_id: int | None = None


class BusinessDays:
    """The business day of an instant, in each legal entity's zone."""

    def __init__(self, entities: Iterable[int]) -> None:
        rows = LegalEntity.objects.filter(pk__in=set(entities)).values_list("pk", "time_zone")
        self._zones = {pk: ZoneInfo(name) for pk, name in rows}

    def of(self, entity_id: int, at: datetime) -> date:
        return at.astimezone(self._zones[entity_id]).date()


@transaction.atomic
def post_entries(entries: Sequence[NewEntry], *, history: bool = False) -> list[JournalEntry]:
    """Post entries and return those that are new.

    An entry whose source stands in the ledger, and one without legs, is left out. Raises
    NotBalanced or NotRounded before anything is written.
    """
    fresh = _not_booked([entry for entry in entries if entry.legs])
    for entry in fresh:
        _check(entry)
    posted = list(insert_many([_entry(entry) for entry in fresh]))
    if posted:
        actors = Actors({row.pk: new.actor for row, new in zip(posted, fresh, strict=True)})
        _write_lines(posted, fresh)
        signals.entries_posted.send(
            sender=JournalEntry, entries=posted, actor=actors, history=history
        )
    return posted


@transaction.atomic
def reverse_entry(
    entry: JournalEntry, *, actor: Actor, posted_on: date | None = None
) -> JournalEntry:
    """Post the opposite of an entry; `posted_on` None means today in the entity's zone.

    Raises AlreadyReversed for an entry that is reversed or is a reversal.
    """
    if entry.reverses_id or JournalEntry.objects.filter(reverses=entry).exists():
        raise AlreadyReversed(
            f"{entry.number} can't be reversed again. Open its other entry to see what stands."
        )
    today = BusinessDays([entry.entity_id]).of(entry.entity_id, timezone.now())
    lines = entry.lines.select_related("account").order_by("position")
    opposite = NewEntry(
        entity_id=entry.entity_id,
        posted_on=posted_on or today,
        code="reversal",
        source=("finance.journalentry", entry.pk, "reversal"),
        legs=[
            Leg(line.account, Money(line.credit - line.debit, line.currency), line.memo)
            for line in lines
        ],
        actor=actor,
        reference=entry.reference,
        reverses_id=entry.pk,
    )
    (posted,) = post_entries([opposite])
    return posted


def _not_booked(entries: Sequence[NewEntry]) -> list[NewEntry]:
    """The entries whose source is new, each once; the unique constraint guards the race."""
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    for entry in entries:
        label, pk, purpose = entry.source
        ids[label, purpose].append(pk)
    booked: set[Source] = set()
    for (label, purpose), keys in ids.items():
        known = JournalEntry.objects.filter(source=label, purpose=purpose, source_id__in=keys)
        booked |= {(label, pk, purpose) for pk in known.values_list("source_id", flat=True)}
    fresh = []
    for entry in entries:
        if entry.source not in booked:
            booked.add(entry.source)
            fresh.append(entry)
    return fresh


def _check(entry: NewEntry) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for leg in entry.legs:
        sums[leg.amount.currency] += leg.amount.amount
        if leg.amount.rounded() != leg.amount:
            raise NotRounded(
                f"{leg.amount.amount} {leg.amount.currency} has more digits than the currency. "
                "Round each line half up before posting."
            )
    for currency, off in sums.items():
        if off:
            raise NotBalanced(
                f"The entry for {entry.code} does not balance: debits and credits differ by "
                f"{Money(off, currency)}. Nothing was posted."
            )


def _entry(entry: NewEntry) -> JournalEntry:
    label, pk, purpose = entry.source
    actor = entry.actor
    return JournalEntry(
        entity_id=entry.entity_id,
        posted_on=entry.posted_on,
        code=entry.code,
        source=label,
        source_id=pk,
        purpose=purpose,
        reference=entry.reference,
        reverses_id=entry.reverses_id,
        recorded_at=timezone.now(),
        line_count=sum(1 for leg in entry.legs if leg.amount),
        actor_kind=actor.kind,
        actor_label=actor.label,
        user_id=actor.user_id,
        rule_id=actor.rule_id,
        rule_version=actor.rule_version,
        run_id=actor.run_id,
    )


def _write_lines(rows: Sequence[JournalEntry], entries: Sequence[NewEntry]) -> None:
    """Write the lines by COPY: 100,000 in 3 s, where the ORM takes 13."""
    columns = "entry_id, position, account_id, posted_on, debit, credit, currency, memo"
    table = JournalLine._meta.db_table
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
    ):
        for row, entry in zip(rows, entries, strict=True):
            legs = [leg for leg in entry.legs if leg.amount]
            for position, leg in enumerate(legs, start=1):
                amount = leg.amount.amount
                sides = (amount, NIL) if amount > 0 else (NIL, -amount)
                account = leg.account.pk
                copy.write_row(
                    (
                        row.pk,
                        position,
                        account,
                        row.posted_on,
                        *sides,
                        leg.amount.currency,
                        leg.memo,
                    )
                )
