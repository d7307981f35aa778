"""Records of trust in an order that hold a script wherever somebody writes something."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from backoffice.actors import HOUSE
from backoffice.money import Money
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import BlockEntry, RiskAssessment, RiskSignal
from orders.services.risk_signals import SignalEdit, add_signal

# What a page that shows it unescaped would run.
SCRIPT = "<script>alert(1)</script>"
_LINE = {"sku": SCRIPT, "floor": None, "variance": "90.0", "under_floor": False}


def of_trust(order: Order) -> dict[str, dict[str, Any]]:
    """A signal, an entry of the blocklist and a review of each kind, by family of addresses."""
    edit = SignalEdit(SCRIPT, RiskSignal.Mode.MONITOR, 10)
    signal = add_signal(RiskSignal.Kind.MISMATCH, edit, actor=HOUSE)
    row = {"key": signal.key, "name": SCRIPT, "mode": "review", "weight": 10, "fired": True}
    RiskAssessment.objects.create(
        order=order, outcome="review", score=10, findings=[{**row, "seen": SCRIPT}],
        actor_kind="system", actor_label=SCRIPT,
    )  # fmt: skip
    entry = BlockEntry.objects.create(
        kind="mail", value=SCRIPT, reason=SCRIPT, actor_kind="system", actor_label=SCRIPT
    )
    address = dict.fromkeys(("name", "lines", "city", "postcode", "country"), SCRIPT)
    nothing = Money.from_json({"amount": "0", "currency": "GBP"}).as_json()
    found: dict[Review.Kind, dict[str, Any]] = {
        Review.Kind.FRAUD: {"score": 10, "outcome": "review", "reasons": [SCRIPT]},
        Review.Kind.ADDRESS: {"original": address, "proposal": address, "problems": [SCRIPT]},
        Review.Kind.DUPLICATE: {"other": order.pk, "number": SCRIPT, "minutes": 1},
        Review.Kind.CREDIT: dict.fromkeys(("used", "limit", "due"), nothing),
        Review.Kind.PRICE: {"lines": [{**_LINE, "unit": nothing, "valid": nothing}]},
    }
    made = {
        kind: Review.objects.create(order=order, kind=kind, found=of, due_at=timezone.now())
        for kind, of in found.items()
    }
    fraud = {"pk": made[Review.Kind.FRAUD].pk}
    return {
        "review_detail": fraud,
        "review_pass": fraud,
        "review_refuse": fraud,
        "review_accept": {"pk": made[Review.Kind.ADDRESS].pk},
        "credit": {"pk": made[Review.Kind.CREDIT].pk},
        "signal": {"key": signal.key, "kind": "region"},
        "signal_looser": {"key": signal.key, "verdict": "agree"},
        "block": {"pk": entry.pk},
    }
