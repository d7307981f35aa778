"""Claims: opened, then made good by a reship, by a refund that finance is asked for, or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor
from backoffice.counting import counted
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.claims import Claim, ClaimLine
from orders.models.orders import Order, OrderLine
from orders.services.drafts import Address, NewLine, NewOrder, OnShort
from orders.services.errors import OrderError, TooMany, UnknownClaim, WrongState
from orders.services.numbers import next_claim_numbers
from orders.services.outcomes import lock_order
from orders.services.placing import place_orders
from orders.services.worth import charged

LABEL = "orders.claim"
# How soon a customer who complains is answered.
ANSWER_WITHIN = timedelta(days=2)
State = Claim.State


def claimable(order: Order) -> list[tuple[OrderLine, int]]:
    """The order's products, and how many units of each no claim stands for yet."""
    taken = dict(
        ClaimLine.objects.filter(order_line__order=order)
        .exclude(claim__state=State.REFUSED)
        .values_list("order_line")
        .annotate(Sum("quantity"))
    )
    rows = order.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku").order_by("position")
    return [(row, row.quantity - row.quantity_cancelled - taken.get(row.pk, 0)) for row in rows]


@transaction.atomic
def open_claim(
    order_id: int,
    units: Mapping[int, int],
    *,
    reason: Claim.Reason,
    evidence: str = "",
    key: str = "",
    actor: Actor,
) -> Claim:
    """Open a claim about so many units of each of these lines, by line id; by `key` only once.

    Raises UnknownOrder, TooMany where claims stand for these units already, OrderError. Announces
    claims_opened.
    """
    order = lock_order(order_id)
    if key and (known := Claim.objects.filter(key=key).first()):
        return known
    free = {line.pk: (line, left) for line, left in claimable(order)}
    if not units or set(units) - set(free):
        raise OrderError("A claim names at least one line, all of its own order.")
    worth: dict[int, Decimal] = defaultdict(Decimal)
    for pk, count in units.items():
        line, left = free[pk]
        if not 0 < count <= left:
            raise TooMany(
                f"{counted(left, 'unit')} of this line can still be claimed, not {count}."
            )
        whole = charged(order, line)
        worth[pk] = order.money(whole * count / line.quantity).rounded().amount
    now = timezone.now()
    claim = Claim.objects.create(
        number=next_claim_numbers(1)[0], order=order, reason=reason, evidence=evidence.strip(),
        currency=order.currency, amount=sum(worth.values(), Decimal(0)),
        units=sum(units.values()), opened_at=now, answer_by=now + ANSWER_WITHIN, key=key,
        actor_kind=actor.kind, actor_label=actor.label, user_id=actor.user_id, run_id=actor.run_id,
    )  # fmt: skip
    ClaimLine.objects.bulk_create(
        ClaimLine(claim=claim, order_line_id=pk, quantity=count)
        for pk, count in sorted(units.items())
    )
    _tell([claim], f"Claim {{}} opened: {claim.get_reason_display().lower()}", actor)
    signals.claims_opened.send(sender=Claim, claims=[claim], actor=actor, history=False)
    return claim


@transaction.atomic
def reship_claim(
    claim_id: int, *, note: str = "", version: int | None = None, actor: Actor
) -> Order:
    """Send the claimed goods again: an order without charge, linked to the first.

    Goods that are short wait on hold. Raises UnknownClaim, WrongState when it is decided,
    StaleVersion. Announces claims_decided.
    """
    claim = _locked(claim_id, version)
    order = claim.order
    lines = [
        NewLine(
            line.quantity, Decimal(0), line.order_line.sku.code if line.order_line.sku else None,
            description=line.order_line.description, is_fragile=line.order_line.is_fragile,
        )
        for line in claim.lines.select_related("order_line__sku").order_by("pk")
    ]  # fmt: skip
    made = follow_up(order, lines, tag="reship", actor=actor)
    claim.reship = made
    _decide(claim, State.RESHIPPED, note, actor)
    told = f"Sent again for claim {claim} of order {order}"
    link = ("orders.order", order.pk)
    timeline.record([timeline.Happened("orders.order", made.pk, told, actor, link=link)])
    return made


def follow_up(order: Order, lines: Sequence[NewLine], *, tag: str, actor: Actor) -> Order:
    """Place an order that makes up for another: to the same customer, the same way, linked."""
    address = {
        kind: Address(
            *(getattr(order, f"{kind}_{part}") for part in
              ("name", "lines", "city", "postcode", "country"))
        )
        for kind in ("ship", "bill")
    }  # fmt: skip
    new = NewOrder(
        channel=order.channel,
        lines=tuple(lines),
        customer_id=order.customer_id,
        ship_to=address["ship"],
        bill_to=address["bill"],
        prices_include_tax=order.prices_include_tax,
        tags=(tag,),
        pickup_at_id=order.pickup_at_id,
        follows_id=order.pk,
    )
    return place_orders([new], on_short=OnShort.HOLD, actor=actor).orders[0]


@transaction.atomic
def refuse_claim(claim_id: int, *, note: str, version: int | None = None, actor: Actor) -> Claim:
    """Refuse a claim, with the reason; raises UnknownClaim, WrongState, OrderError, StaleVersion.

    Its units may be claimed again. Announces claims_decided.
    """
    if not note.strip():
        raise OrderError("Say why, so that the customer can be told.")
    claim = _locked(claim_id, version)
    _decide(claim, State.REFUSED, note, actor)
    return claim


@transaction.atomic
def mark_refund_asked(claim_id: int, *, actor: Actor) -> Claim:
    """Note that finance is asked to pay a claim back; called by finance.

    Raises UnknownClaim, WrongState. Announces claims_decided.
    """
    claim = _locked(claim_id, None)
    _decide(claim, State.REFUNDED, "", actor)
    return claim


@transaction.atomic
def reopen_claim(claim_id: int, *, actor: Actor) -> Claim:
    """Open a claim again whose refund came to nothing; called by finance."""
    claim = _read(claim_id)
    if claim.state != State.REFUNDED:
        raise WrongState(f"Claim {claim} waits for no refund.")
    claim.state, claim.decided_at, claim.decided_by = State.OPEN, None, ""
    claim.version += 1
    claim.save(update_fields=["state", "decided_at", "decided_by", "version"])
    _tell([claim], "Claim {} is open again: its refund came to nothing", actor)
    return claim


def _read(claim_id: int) -> Claim:
    """The claim, locked after its order."""
    found = Claim.objects.filter(pk=claim_id).values_list("order_id", flat=True).first()
    if found is None:
        raise UnknownClaim("This claim does not exist any more.")
    lock_order(found)
    rows = Claim.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("order__channel").get(pk=claim_id)


def _locked(claim_id: int, version: int | None) -> Claim:
    claim = _read(claim_id)
    refuse_stale([claim], None if version is None else {claim_id: version})
    if claim.state != State.OPEN:
        raise WrongState(f"Claim {claim} is decided: {claim.get_state_display().lower()}.")
    return claim


def _decide(claim: Claim, state: Claim.State, note: str, actor: Actor) -> None:
    claim.state = state
    claim.decided_at = timezone.now()
    claim.decided_by = actor.label[:200]
    claim.decision_note = note.strip()
    claim.version += 1
    fields = ["state", "decided_at", "decided_by", "decision_note", "reship", "version"]
    claim.save(update_fields=fields)
    _tell([claim], f"Claim {{}}: {state.label.lower()}", actor)
    signals.claims_decided.send(sender=Claim, claims=[claim], actor=actor, history=False)


def _tell(claims: Sequence[Claim], text: str, actor: Actor) -> None:
    entries = []
    for claim in claims:
        said, own, order = text.format(claim), (LABEL, claim.pk), ("orders.order", claim.order_id)
        entries.append(timeline.Happened(*own, said, actor, link=order))
        entries.append(timeline.Happened(*order, said, actor, link=own))
    timeline.record(entries)
