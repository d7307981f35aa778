"""The shell's navigation: which screens a person sees, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from backoffice import banners, counts
from backoffice.models import User


@dataclass(frozen=True, slots=True)
class Screen:
    """One entry of the rail. `go` is the letter after `g`; one of the permissions is enough."""

    label: str
    icon: str
    url_name: str
    permissions: Sequence[str] = ()
    go: str = ""


_FAILURES = ("automations.view_failure",)
RAIL: tuple[tuple[str, tuple[Screen, ...]], ...] = (
    (
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
    ),
    (
        "Operate",
        (
            Screen("Orders", "shopping-cart", "order_list", ("orders.view_order",), "o"),
            Screen("Reviews", "shield-exclamation", "review_list", ("orders.view_review",)),
            Screen("Figures", "chart-bar", "order_figures", ("orders.view_order",)),
            Screen("Parcels", "box", "parcel_list", ("orders.view_package",)),
            Screen("Returns", "truck-return", "return_list", ("orders.view_returnorder",)),
            Screen("Claims", "mood-sad", "claim_list", ("orders.view_claim",)),
            Screen("Exchanges", "refresh", "exchange_list", ("orders.view_exchange",)),
            Screen("Customers", "address-book", "customer_list", ("orders.view_customer",)),
            Screen("Credit", "wallet", "credit_list", ("orders.view_creditaccount",)),
            Screen("Segments", "users", "segment_list", ("orders.view_segment",)),
            Screen("Inventory", "package", "sku_list", ("inventory.view_sku",), "i"),
            Screen("Stock moves", "arrows-exchange", "move_list", ("inventory.view_stockmove",)),
            Screen("Ledger", "scale", "ledger", ("finance.view_journalentry",), "m"),
            Screen("Payments", "credit-card", "payment_list", ("finance.view_payment",)),
            Screen("Refunds", "receipt-refund", "refund_list", ("finance.view_refund",)),
        ),
    ),
    (
        "Automate",
        (
            Screen("Rules", "bolt", "rule_list", ("automations.view_rule",), "r"),
            Screen("Runs", "history", "run_list", ("automations.view_run",), "u"),
            Screen("Health", "activity", "engine_health", ("automations.view_health",), "e"),
        ),
    ),
    (
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
                "Webhooks in",
                "arrow-bar-to-right",
                "delivery_list",
                ("automations.view_delivery",),
            ),
            Screen("Queues", "inbox", "queue_list", ("support.view_queue",)),
            Screen("Companies", "building-bank", "company_list", ("backoffice.view_legalentity",)),
            Screen("Channels", "world", "channel_list", ("orders.view_channel",)),
            Screen("Carriers", "truck", "carrier_list", ("orders.view_carrierservice",)),
            Screen("Fraud screening", "shield", "signal_list", ("orders.view_risksignal",)),
            Screen("Blocklist", "ban", "block_list", ("orders.view_blockentry",)),
            Screen("Calendars", "calendar", "calendar_list", ("backoffice.view_calendar",)),
            Screen("Staff", "users", "user_list", ("backoffice.view_user",)),
            Screen("Audit log", "shield-check", "audit_list", ("backoffice.view_auditentry",)),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A screen as it is shown to one person."""

    screen: Screen
    url: str
    current: bool
    count: counts.Count | None


def screens(user: User) -> list[tuple[str, list[tuple[Screen, str]]]]:
    """Every screen this person may open, by group; what is not built yet is left out."""
    groups = []
    for heading, entries in RAIL:
        shown = []
        for screen in entries:
            if screen.permissions and not any(user.has_perm(name) for name in screen.permissions):
                continue
            try:
                shown.append((screen, reverse(screen.url_name)))
            except NoReverseMatch:
                continue
        if shown:
            groups.append((heading, shown))
    return groups


def rail(user: User, path: str, *, fresh: bool = False) -> list[tuple[str, list[Entry]]]:
    """The rail with its figures, and which entry the path belongs to."""
    groups = screens(user)
    names = [screen.url_name for _, entries in groups for screen, _ in entries]
    figures = counts.counts(user, names, fresh=fresh)
    here = _here(path, [url for _, entries in groups for _, url in entries])
    return [
        (
            heading,
            [
                Entry(screen, url, url == here, figures.get(screen.url_name))
                for screen, url in entries
            ],
        )
        for heading, entries in groups
    ]


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
