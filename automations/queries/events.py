"""Events by time, along their key."""

from __future__ import annotations

from datetime import datetime

from automations.models.events import Event


def first_since(moment: datetime) -> int:
    """The id from which on events were recorded at or after a moment.

    Ids grow with time, so the key is searched by halves: two dozen looks at ten million events,
    and no index on a time.
    """
    last = Event.objects.order_by("-id").values_list("id", flat=True).first()
    if last is None:
        return 0
    low, high = 0, last + 1
    while low < high:
        middle = (low + high) // 2
        rows = Event.objects.filter(id__gte=middle).order_by("id")
        found = rows.values_list("id", "recorded_at").first()
        if found is None or found[1] >= moment:
            high = middle
        else:
            low = found[0] + 1
    return low
