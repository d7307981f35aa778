"""A saved view as a file, for what sends it on: the rows that one person may see, and how many."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.urls import get_resolver
from django.utils import timezone

from backoffice.models import SavedView, User
from backoffice.workbench import bench as benches
from backoffice.workbench.bench import Workbench
from backoffice.workbench.export import lines
from backoffice.workbench.listing import Listing

logger = logging.getLogger(__name__)

# More than this nobody reads in a file that comes by mail.
MOST_ROWS = 50_000
# The byte order mark: without it a spreadsheet reads £ as two letters.
MARK = "\ufeff"


class ReportError(Exception):
    """A view that can't be reported; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Report:
    """A file in memory. `rows` is exactly how many rows of the view it holds."""

    title: str
    filename: str
    content: bytes
    rows: int
    on: date


def find_view(screen: str, name: str, owner: User) -> SavedView:
    """A person's saved view of a list by its name or slug; raises ReportError."""
    views = SavedView.objects.filter(screen=screen, owner=owner)
    found = views.filter(name=name).first() or views.filter(slug=name).first()
    if found is None:
        raise ReportError(f"{owner} has no view “{name}” of this list any more.")
    return found


def report_of(view: SavedView, user: User, *, most: int = MOST_ROWS) -> Report:
    """What a saved view shows to a person now, as CSV.

    Raises ReportError when the person may not see the list or the view, when one of its filters
    can't be read any more, and when it has more than `most` rows: nothing is cut off silently.
    """
    listing = _listing(view, user)
    if listing.total > most:
        raise ReportError(
            f"“{view.name}” has {listing.total:,} rows, more than {most:,}: narrow the view."
        )
    written = list(lines(listing))
    today = timezone.localdate()
    # The head and the count at the end are lines, but no rows.
    return Report(
        f"{listing.bench.title}: {view.name}",
        f"{view.slug}-{today.isoformat()}.csv",
        (MARK + "".join(written)).encode(),
        len(written) - 2,
        today,
    )


def _bench(key: str) -> Workbench[Any]:
    # Addresses register the lists, and a worker has not read them.
    addresses = get_resolver().url_patterns
    try:
        return benches.get(key)
    except KeyError as error:
        logger.warning("No list %s among %s addresses", key, len(addresses))
        raise ReportError("This list is not there any more.") from error


def _listing(view: SavedView, user: User) -> Listing[Any]:
    bench = _bench(view.screen)
    if not user.is_active or not user.has_perm(bench.permission) or not bench.exportable:
        raise ReportError(f"{user} may not see {bench.title.lower()}.")
    if not SavedView.objects.visible_to(user).filter(pk=view.pk).exists():
        raise ReportError(f"“{view.name}” is private, and not {user}’s.")
    roles = list(user.groups.values_list("name", flat=True))
    listing = Listing(bench, user, {"view": (view.slug,)}, roles)
    # Read once, as a filter that fails would be left out and show other rows.
    if listing.notice:
        raise ReportError(f"“{view.name}” can’t be shown as it was saved: {listing.notice}")
    return listing
