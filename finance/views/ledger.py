"""The books: one entry, the trial balance."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from backoffice import subjects
from backoffice.models import LegalEntity
from backoffice.money import Money
from finance.models.ledger import JournalEntry
from finance.queries import Balance, TrialBalance, entry_by_number, lines_of, trial_balance


@permission_required("finance.view_journalentry", raise_exception=True)
@require_GET
def entry_detail(request: HttpRequest, number: str) -> HttpResponse:
    """One entry with its lines, and what it books."""
    entry = entry_by_number(number)
    if entry is None:
        raise Http404
    lines = [
        (line, Money(line.debit, line.currency), Money(line.credit, line.currency))
        for line in lines_of(entry)
    ]
    context = {
        "entry": entry,
        "lines": lines,
        "booked": _booked(entry),
        "reversals": list(entry.reversals.all()),
    }
    return render(request, "finance/entry_detail.html", context)


def _booked(entry: JournalEntry) -> tuple[str, str] | None:
    """The record that the entry books as words and address; None when it has no page."""
    try:
        subject = subjects.get(entry.source)
    except KeyError:
        return None
    number = subject.numbers([entry.source_id]).get(entry.source_id)
    return (f"{subject.noun} {number}", subject.url(number)) if number else None


@permission_required("finance.view_journalentry", raise_exception=True)
@require_GET
def trial_balance_page(request: HttpRequest) -> HttpResponse:
    """Every account's debits and credits, and whether they balance."""
    books = []
    for entity in LegalEntity.objects.order_by("name"):
        balance = trial_balance(entity.pk)
        off = [Money(amount, currency) for currency, amount in sorted(balance.off.items())]
        rows = [_row(row) for row in balance.rows]
        books.append(
            {
                "entity": entity,
                "rows": rows,
                "off": off,
                "ok": not any(off),
                "totals": _totals(balance),
            }
        )
    return render(request, "finance/trial_balance_page.html", {"books": books})


def _row(row: Balance) -> dict[str, Any]:
    """An account's line; its balance stands on the side that is larger, as in any trial balance."""
    return {
        "account": row.account,
        "debit": Money(row.debit, row.currency),
        "credit": Money(row.credit, row.currency),
        "balance": Money(abs(row.balance), row.currency),
        "side": "debit" if row.balance > 0 else "credit" if row.balance < 0 else "",
        "url": f"{reverse('ledger')}?account={row.account.pk}",
    }


def _totals(balance: TrialBalance) -> list[tuple[Money, Money]]:
    """All debits and all credits, for each currency."""
    found = []
    for currency in sorted(balance.off):
        rows = [row for row in balance.rows if row.currency == currency]
        debits, credits = sum(row.debit for row in rows), sum(row.credit for row in rows)
        found.append((Money(Decimal(debits), currency), Money(Decimal(credits), currency)))
    return found
