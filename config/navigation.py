"""The shell's navigation: which screens a person sees, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from backoffice import banners, counts
from backoffice.models import User
from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, OPERATIONS, SUPPORT


@dataclass(frozen=True, slots=True)
class Screen:
    """One entry of the rail. `go` is the letter after `g`; one of the permissions is enough.

    `sandbox`: only there is something to see on it.
    """

    label: str
    icon: str
    url_name: str
    permissions: Sequence[str] = ()
    go: str = ""
    sandbox: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading. `daily`: the roles that find it open until they fold it."""

    heading: str
    screens: tuple[Screen, ...]
    daily: Sequence[str] = ()
    folds: bool = True

    @property
    def key(self) -> str:
        """What a person's choice is kept under."""
        return self.heading.lower()


RAIL: tuple[Group, ...] = (
    Group(
        "Work",
        (
            Screen("Home", "home", "home", go="h"),
            Screen(
                "Failures", "alert-triangle", "failure_list", ("automations.view_failure",), "f"
            ),
            Screen("Bulk jobs", "stack-2", "job_list", ("backoffice.view_bulkjob",)),
            Screen("Approvals", "list-check", "approval_list", ("automations.view_approval",), "a"),
            Screen("Tickets", "headset", "ticket_list", ("support.view_ticket",), "t"),
            Screen("Notices", "bell", "notice_list", ("backoffice.view_notice",), "n"),
        ),
        folds=False,
    ),
    Group(
        "Operate",
        (
            Screen("Orders", "shopping-cart", "order_list", ("orders.view_order",), "o"),
            Screen("Reviews", "shield-exclamation", "review_list", ("orders.view_review",)),
            Screen("Figures", "chart-bar", "order_figures", ("orders.view_order",)),
            Screen("Pre-orders", "calendar-due", "preorder_list", ("orders.view_preorder",)),
            Screen("Parcels", "box", "parcel_list", ("orders.view_package",)),
            Screen("Forwarding", "send", "forwarded_list", ("orders.view_forwardedorder",)),
            Screen("Returns", "truck-return", "return_list", ("orders.view_returnorder",)),
            Screen("Claims", "mood-sad", "claim_list", ("orders.view_claim",)),
            Screen("Exchanges", "refresh", "exchange_list", ("orders.view_exchange",)),
        ),
        daily=(OPERATIONS, SUPPORT),
    ),
    Group(
        "Sell",
        (
            Screen("Customers", "address-book", "customer_list", ("orders.view_customer",)),
            Screen("Credit", "wallet", "credit_list", ("orders.view_creditaccount",)),
            Screen("Segments", "users", "segment_list", ("orders.view_segment",)),
            Screen("Promotions", "discount", "promotion_list", ("orders.view_promotion",)),
            Screen("Carts", "inbox", "cart_list", ("orders.view_cart",)),
        ),
        daily=(SUPPORT,),
    ),
    Group(
        "Stock",
        (
            Screen("Inventory", "package", "sku_list", ("inventory.view_sku",), "i"),
            Screen("Stock moves", "arrows-exchange", "move_list", ("inventory.view_stockmove",)),
        ),
        daily=(OPERATIONS,),
    ),
    Group(
        "Money",
        (
            Screen("Ledger", "scale", "ledger", ("finance.view_journalentry",), "m"),
            Screen("Payments", "credit-card", "payment_list", ("finance.view_payment",)),
            Screen("Refunds", "receipt-refund", "refund_list", ("finance.view_refund",)),
            Screen("Prices", "coin", "price_list", ("orders.view_price",)),
            Screen("Price changes", "file-diff", "pricechange_list", ("orders.view_pricechange",)),
        ),
        daily=(FINANCE, AUDITOR),
    ),
    Group(
        "Automate",
        (
            Screen("Rules", "bolt", "rule_list", ("automations.view_rule",), "r"),
            Screen("Runs", "history", "run_list", ("automations.view_run",), "u"),
            Screen("Health", "activity", "engine_health", ("automations.view_health",), "e"),
        ),
        daily=(OPERATIONS, FINANCE, ADMINISTRATOR, AUDITOR),
    ),
    Group(
        "Settings",
        (
            Screen("Queues", "inbox", "queue_list", ("support.view_queue",)),
            Screen("Companies", "building-bank", "company_list", ("backoffice.view_legalentity",)),
            Screen("Channels", "world", "channel_list", ("orders.view_channel",)),
            Screen("Exchange rates", "coins", "rate_list", ("orders.view_exchangerate",)),
            Screen("Carriers", "truck", "carrier_list", ("orders.view_carrierservice",)),
            Screen("Fraud screening", "shield", "signal_list", ("orders.view_risksignal",)),
            Screen("Blocklist", "ban", "block_list", ("orders.view_blockentry",)),
            Screen("Calendars", "calendar", "calendar_list", ("backoffice.view_calendar",)),
        ),
    ),
    Group(
        "System",
        (
            Screen(
                "Connectors",
                "plug",
                "connector_list",
                ("automations.view_connectoraccount",),
                "c",
            ),
            Screen(
                "Caught mail",
                "mail",
                "caughtmail_list",
                ("backoffice.view_caughtmail",),
                sandbox=True,
            ),
            Screen(
                "Webhooks in",
                "arrow-bar-to-right",
                "delivery_list",
                ("automations.view_delivery",),
            ),
            Screen("Staff", "users", "user_list", ("backoffice.view_user",)),
            Screen("Audit log", "shield-check", "audit_list", ("backoffice.view_auditentry",)),
        ),
        daily=(ADMINISTRATOR, AUDITOR),
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A screen as it is shown to one person."""

    screen: Screen
    url: str
    current: bool
    count: counts.Count | None


@dataclass(frozen=True, slots=True)
class Section:
    """A group as it is shown to one person. `alarm`: what asks for a look inside, when folded."""

    group: Group
    entries: list[Entry]
    is_open: bool

    @property
    def alarm(self) -> counts.Count | None:
        return next((e.count for e in self.entries if e.count and e.count.alarm), None)


def _allowed(user: User) -> list[tuple[Group, list[tuple[Screen, str]]]]:
    groups = []
    for group in RAIL:
        shown = []
        for screen in group.screens:
            if screen.sandbox and not settings.SANDBOX:
                continue
            if screen.permissions and not any(user.has_perm(name) for name in screen.permissions):
                continue
            try:
                shown.append((screen, reverse(screen.url_name)))
            except NoReverseMatch:
                continue
        if shown:
            groups.append((group, shown))
    return groups


def screens(user: User) -> list[tuple[str, list[tuple[Screen, str]]]]:
    """Every screen this person may open, by group; what is not built yet is left out."""
    return [(group.heading, shown) for group, shown in _allowed(user)]


def rail(user: User, path: str, *, fresh: bool = False, folded: str = "") -> list[Section]:
    """The rail with its figures, and which entry the path belongs to.

    The group of the present page is open, unless it is `folded`: the person has just folded it.
    """
    groups = _allowed(user)
    names = [screen.url_name for _, entries in groups for screen, _ in entries]
    figures = counts.counts(user, names, fresh=fresh)
    here = _here(path, [url for _, entries in groups for _, url in entries])
    # Asked once for a request, however often the rail is drawn.
    prefetch_related_objects([user], "groups")
    roles = {group.name for group in user.groups.all()}
    return [
        Section(
            group,
            [
                Entry(screen, url, url == here, figures.get(screen.url_name))
                for screen, url in entries
            ],
            (group.key != folded and any(url == here for _, url in entries))
            or _unfolded(user, group, roles),
        )
        for group, entries in groups
    ]


def _unfolded(user: User, group: Group, roles: set[str]) -> bool:
    if not group.folds:
        return True
    return bool(user.unfolded.get(group.key, bool(roles & set(group.daily))))


def fold(user: User, key: str, *, is_open: bool) -> bool:
    """Keep whether a person wants a group open; False when there is no such group."""
    if key not in {group.key for group in RAIL if group.folds}:
        return False
    user.unfolded = {**user.unfolded, key: is_open}
    user.save(update_fields=["unfolded"])
    return True


def _here(path: str, urls: Sequence[str]) -> str:
    """The address that a path lies below, the longest where several fit; empty when none does."""
    fitting = [url for url in urls if path == url or (url != "/" and path.startswith(url))]
    return max(fitting, key=len, default="")


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the shell; worked out only by a page that prints the rail."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {"navigation": []}
    return {
        "navigation": lambda: rail(user, request.path),
        "banners": banners.shown,
        "role": lambda: ", ".join(group.name.capitalize() for group in user.groups.all()),
    }
