"""The inventory of many rules, and the walk through those that are due."""

from __future__ import annotations

import statistics
import time

from django.db import connection
from django.urls import reverse

from automations.engine import inventory

RULES = 500
TIMES = 5
# A third of them is due.
DUE = "UPDATE automations_rule SET review_on = current_date - 1 WHERE id % 3 = 0"


def count_ms() -> float:
    """How long the standing of all rules takes, in ms, the median of a few."""
    with connection.cursor() as cursor:
        cursor.execute(DUE)
        cursor.execute("ANALYZE automations_runhour")
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        inventory.count()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def addresses() -> dict[str, str]:
    """What is asked, by name."""
    listed = reverse("rule_inventory")
    return {
        "inventory": f"{listed}?view=live",
        "inventory.wrong": f"{listed}?view=wrong",
        "inventory.sort": f"{listed}?view=all&sort=-month",
        "review": f"{reverse('review_rule', args=['scale-2'])}",
    }
