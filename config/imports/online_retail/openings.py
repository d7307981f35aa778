"""How much stock there must have been before the file begins: it lists sales, but no purchases."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from config.imports.online_retail.classify import Document, Kind
from config.imports.online_retail.match import Credit, stockable

# (when, change of what is on hand)
Change = tuple[datetime, int]


def changes(
    documents: Iterable[Document], credits: Mapping[str, Credit]
) -> dict[str, list[Change]]:
    """What the documents do to sellable stock, by code.

    Sales and write-offs lower it, finds raise it.
    Cancelled orders never left; what comes back waits in quarantine, as nobody inspected it.
    """
    cancelled = {credit.cancels for credit in credits.values()}
    found: dict[str, list[Change]] = defaultdict(list)
    for document in documents:
        if document.kind is Kind.ORDER and document.number not in cancelled:
            sign = -1
        elif document.kind in (Kind.WRITE_OFF, Kind.FOUND):
            sign = 1
        else:
            continue
        for row in document.rows:
            if stockable(row):
                found[row.code].append((document.at, sign * row.quantity))
    return found


def openings(
    added: Mapping[str, Sequence[Change]], held: Mapping[str, Sequence[Change]]
) -> dict[str, int]:
    """The opening stock each code needs: its deepest deficit over time.

    `held` is what the stock ledger holds already; what rises at an instant rises before what falls.
    """
    needed = {}
    for code, new in added.items():
        balance = deepest = 0
        for _, change in sorted([*held.get(code, ()), *new], key=lambda at: (at[0], at[1] < 0)):
            balance += change
            deepest = min(deepest, balance)
        if deepest:
            needed[code] = -deepest
    return needed
