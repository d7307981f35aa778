"""A company with one record of each kind, so that every address has something to show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automations.models.connectors import CallLog
from automations.models.documents import Document
from automations.models.runs import Run
from automations.services import emergencies
from backoffice import staff, standing_in
from backoffice.actors import HOUSE, person
from backoffice.caught_mail import CaughtMail
from backoffice.models import BulkJob, Calendar, LegalEntity, SavedView, User
from finance.models.ledger import JournalEntry
from finance.models.payments import Payment
from finance.services.books import open_books
from finance.services.refunds import request_refund
from finance.services.small_refunds import change_limit
from inventory.models import Location
from orders import signals
from orders.models.carriers import CarrierService
from orders.models.claims import Claim
from orders.models.conflicts import Conflict
from orders.models.customers import Customer
from orders.models.exchanges import Exchange
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package
from orders.models.preorders import PreOrder
from orders.models.returns import ReturnOrder
from orders.services.carts import NewCart, NewCartLine, receive_carts
from orders.services.claims import follow_up, open_claim
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import NewLine
from orders.services.forwarders import add_forwarder
from orders.services.merging import merge_customers
from orders.services.preorders import move_preorder
from orders.services.price_guards import ask_wider
from orders.services.prices import Wanted, ask_prices
from orders.services.promotions import edit_promotion, terms_of
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.segments import write_segment
from orders.services.shipping import ship_order
from support.services.outgoing import token_of
from tests.attacks.trust import of_trust
from tests.automations import factories as rules
from tests.automations import lines
from tests.automations.views import story
from tests.bed.people import MakeUser
from tests.finance.factories import pay
from tests.intake import factories as hooks
from tests.inventory.factories import make_sku
from tests.orders.factories import make_customer, make_service, make_store, sell_ahead
from tests.orders.prices import set_price
from tests.orders.promotions import somebody, started
from tests.support.factories import open_ticket

# What a page that shows it unescaped would run, and what it looks like escaped.
SCRIPT = "<script>alert(1)</script>"


@dataclass
class World:
    """One person of each role, and one record of each kind by the family of its addresses."""

    people: dict[str, User]
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


def make_world(make_user: MakeUser) -> World:
    """People, an order that was paid and shipped, its return and refund, rules, a case, a job."""
    roles = ("operations", "finance", "support", "administrator", "auditor")
    world = World({role: make_user(role) for role in roles})
    open_books(LegalEntity.objects.first() or story.shop().legal_entity)
    (case,) = story.failed_run()
    customer = make_customer()
    order = story.dear_order(customer_id=customer.pk)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    make_service(order.channel)
    world.records = {
        "all": {"pk": order.pk, "number": order.number, "label": "orders.order"},
        **_of_orders(order, world),
        **_of_rules(case.pk),
        **of_trust(order),
        **_of_prices(order),
        **_of_carts(order),
        **_of_promotions(),
        **_of_connectors(case.pk),
        **_of_webhooks(),
        # Nobody's: to open one of one's own marks it as read.
        "notice": {"pk": 0},
        **_of_customers(customer),
        "ticket": {"number": open_ticket(order=order).number},
        "queue": {"slug": "parcels"},
        **_of_the_ground(order, world),
    }
    return world


def _of_customers(customer: Customer) -> dict[str, dict[str, Any]]:
    """Another one who may be the same person, two who were, and a segment."""
    new = [NewCustomer(f"W{n}", name=SCRIPT, email=f"w{n}@example.com") for n in range(3)]
    others = add_customers(new)
    merge = merge_customers(others["W1"].pk, others["W2"].pk, actor=HOUSE)
    everyone = {"all": [{"field": "customer.orders", "op": "gte", "value": 0}]}
    segment = write_segment("Everyone", everyone, about=SCRIPT, actor=HOUSE)
    return {
        "customer": {"number": customer.number, "other": "W0", "tag": "x", "pk": customer.pk},
        "consent": {"number": customer.number},
        "unsubscribe": {"token": token_of(customer.pk, "marketing")},
        "merge": {"pk": merge.pk},
        "segment": {"slug": segment.slug},
    }


def _of_promotions() -> dict[str, dict[str, Any]]:
    """A promotion that is on, with a change that waits."""
    row = started(name=SCRIPT)
    operator = person(somebody("operations"))
    wanted = replace(terms_of(row), percent=Decimal(20))
    change = edit_promotion(row.pk, wanted, why=SCRIPT, actor=operator)
    return {
        "promotion": {"key": row.key},
        "promotion_decide": {"pk": change.pk if change else 0, "verdict": "turn-down"},
        "why_orders_promotion": {"pk": row.pk},
    }


def _of_orders(order: Order, world: World) -> dict[str, dict[str, Any]]:
    line = order.lines.get()
    package = Package.objects.create(
        order=order, number=f"{order.number}-P1", declared_value=5, currency=order.currency
    )
    Label.objects.create(
        package=package, service=CarrierService.objects.get(), key="world", state="bought",
        carrier=SCRIPT, tracking=SCRIPT, actor_label="world",
    )  # fmt: skip
    wanted = NewReturn(order.channel, (NewReturnLine(1, line.pk),), order_id=order.pk)
    request_returns([wanted], actor=HOUSE)
    claim = open_claim(
        order.pk, {line.pk: 1}, reason=Claim.Reason.OTHER, evidence=SCRIPT, actor=HOUSE
    )
    exchange = _exchange(order, line)
    ahead = _ahead(order)
    refund = request_refund(order, None, "goodwill", actor=person(world.people["support"]))
    change_limit("GBP", Decimal(20), Decimal(100), actor=person(world.people["finance"]))
    wider = ask_wider(order.channel, 60, why=SCRIPT, actor=person(world.people["finance"]))
    back, payment = ReturnOrder.objects.get(), Payment.objects.get()
    return {
        "order": {"number": order.number, "tag": "high-value", "pk": order.pk},
        "package": {"number": package.number},
        "package_new": {"number": order.number},
        "order_tickets": {"pk": order.pk},
        "return": {"number": back.number},
        "return_request": {"number": order.number},
        "sku": {"code": line.sku.code if line.sku else ""},
        "payment": {"number": payment.number},
        "payment_record": {"number": order.number},
        "refund": {"number": refund.number},
        "refund_request": {"number": order.number},
        "refund_by_line": {"number": order.number},
        "preorder": {"number": ahead.number},
        "price_looser": {"pk": wider.pk, "verdict": "keep"},
        "forwarded": {"number": _forwarded(order).number},
        "forwarder": {"pk": Forwarder.objects.get().pk},
        **_of_conflicts(order),
        "claim": {"number": claim.number},
        "claim_new": {"number": order.number},
        "claim_money": {"pk": claim.pk},
        "refund_claim": {"number": claim.number},
        "why_orders_claim": {"pk": claim.pk},
        "exchange": {"number": exchange.number},
        "exchange_new": {"number": order.number},
        "exchange_money": {"pk": exchange.pk},
        "why_orders_exchange": {"pk": exchange.pk},
        "refund_return": {"number": back.number},
        "return_money": {"pk": back.pk},
        "entry": {"number": JournalEntry.objects.order_by("pk")[0].number},
        "why_finance_payment": {"pk": payment.pk},
        "why_finance_refund": {"pk": refund.pk},
        "why_inventory_sku": {"pk": line.sku_id},
        "why_orders_order": {"pk": order.pk},
        "why_orders_returnorder": {"pk": back.pk},
    }


def _of_conflicts(order: Order) -> dict[str, dict[str, Any]]:
    """The order, cancelled by a shop that writes scripts, while its parcel moves."""
    now = timezone.now()
    row = Conflict.objects.create(
        order=order, kind=Conflict.Kind.CANCELLED, ours=SCRIPT, ours_since=now, theirs=SCRIPT,
        theirs_since=now,
    )  # fmt: skip
    sent = {"orders": [order], "conflicts": [row], "actor": HOUSE, "history": False}
    signals.conflicts_found.send(sender=Conflict, **sent)
    return {
        "conflict": {"number": order.number, "pk": row.pk},
        "failure_of": {"name": "orders.conflict", "pk": row.pk},
    }


def _ahead(order: Order) -> PreOrder:
    """Something that is sold ahead, whose day was moved."""
    row = sell_ahead(make_sku("AHEAD"), channel=order.channel, promised_on=None)
    move_preorder(row.pk, timezone.localdate(), why=SCRIPT, actor=HOUSE)
    return row


def _of_carts(order: Order) -> dict[str, dict[str, Any]]:
    """A cart of somebody whom we do not know."""
    goods = (NewCartLine(2, Decimal(5), sku=SCRIPT, description=SCRIPT),)
    new = NewCart(order.channel, SCRIPT, timezone.now(), goods, email="nobody@example.com")
    (cart,) = receive_carts([new], actor=HOUSE).carts
    return {"cart": {"number": cart.number}, "why_orders_cart": {"pk": cart.pk}}


def _of_prices(order: Order) -> dict[str, dict[str, Any]]:
    """A price of the order's product, and one that waits."""
    sku = order.lines.get().sku or make_sku()
    set_price("10.00", sku, order.channel)
    wanted = Wanted(order.channel_id, sku.pk, Decimal(99))
    (change,) = ask_prices([wanted], why=SCRIPT, actor=replace(HOUSE, label=SCRIPT)).waiting
    return {
        "price": {"code": sku.code, "key": order.channel.key},
        "pricechange": {"pk": change.pk},
        "sku_prices": {"pk": sku.pk},
    }


def _forwarded(order: Order) -> ForwardedOrder:
    """A parcel of another order, told to somebody else's warehouse."""
    place = make_store("ELSEWHERE", channel=order.channel)
    Location.objects.filter(pk=place.pk).update(legal_entity=order.channel.legal_entity)
    values = {"location": place, "name": SCRIPT, "kind": "3pl", "answer_hours": 8}
    forwarder = add_forwarder(values, actor=HOUSE)
    package = Package.objects.create(
        order=order, number=f"{order.number}-P9", declared_value=5, currency=order.currency,
        location=place,
    )  # fmt: skip
    return ForwardedOrder.objects.create(
        package=package, order=order, forwarder=forwarder, reference=package.number
    )


def _exchange(order: Order, line: OrderLine) -> Exchange:
    """An exchange of which no money was asked for yet: the order's is asked back below."""
    made = follow_up(
        order, [NewLine(1, Decimal(3), line.sku.code if line.sku else None)], tag="x", actor=HOUSE
    )
    return Exchange.objects.create(
        number="X1", order=order, return_order=ReturnOrder.objects.get(), replacement=made,
        currency=order.currency, credit=5, price=3, difference=-2, made_at=timezone.now(),
        made_by=SCRIPT,
    )  # fmt: skip


def _of_rules(case_id: int) -> dict[str, dict[str, Any]]:
    live = Document.objects.get()
    waiting = rules.submit(rules.make_rule(name="Waits for approval"))
    assert live.rule is not None
    clerk = person(rules.staff("operations", "clerk"))
    asked = emergencies.ask(waiting.pk, sha256=waiting.sha256, why=SCRIPT, actor=clerk)
    slug = {"slug": live.rule.slug}
    return {
        "template": {"key": "fragile"},
        "rule": {
            **slug,
            "version": live.version,
            "one": live.version,
            "two": live.version,
            "name": "least",
        },
        "rule_evidence": {**slug, "form": "csv"},
        "version": {**slug, "version": live.version},
        "shadow": {**slug, "version": live.version},
        "approval": {"pk": waiting.pk, "verdict": "approve"},
        "emergency": {"pk": asked.pk},
        "emergency_ask": {"pk": waiting.pk},
        "approval_policy_change": {"risk": "money"},
        "refund_limit_answer": {"currency": "GBP", "verdict": "agree"},
        "approval_policy_answer": {"risk": "money", "verdict": "agree"},
        "evidence": {"pk": waiting.pk},
        "draft": slug,
        "backtest": {"slug": live.rule.slug, "pk": live.rule.backtests.get().pk},
        "failure": {"pk": case_id},
        "run": {"pk": Run.objects.order_by("pk")[0].pk},
        "press": slug,
        "review": {**slug, "verdict": "change"},
    }


def _of_connectors(case_id: int) -> dict[str, dict[str, Any]]:
    account = lines.web_account("http://127.0.0.1:9", token=SCRIPT)
    call = CallLog.objects.create(
        account=account,
        purpose=CallLog.Purpose.PROBE,
        method="GET",
        host="127.0.0.1",
        took_ms=1,
        sent=True,
        outcome=CallLog.Outcome.DONE,
        says=SCRIPT,
    )
    key = {"key": account.key}
    return {
        "connector": key,
        "scope": key,
        "secret": {**key, "pk": account.secrets.get().pk},
        "parked": {**key, "pk": Run.objects.order_by("pk")[0].pk},
        "call": {"pk": call.pk},
        "doubt": {"pk": case_id},
    }


def _of_webhooks() -> dict[str, dict[str, Any]]:
    """A source whose newest message holds a script where names stand, in quarantine."""
    source = hooks.source(name=SCRIPT, about=SCRIPT)
    hooks.read(source)
    delivery = hooks.send(source, hooks.message(topic=SCRIPT, status=SCRIPT))
    hooks.take_all()
    assert delivery is not None
    return {
        "delivery": {"pk": delivery.pk},
        "source": {"key": source.key, "pk": source.secrets.get().pk},
        "route": {
            "key": source.key,
            "feed": "automations.report_received",
            "pk": source.routes.get().pk,
        },
        "why_automations_delivery": {"pk": delivery.pk},
    }


def _of_the_ground(order: Order, world: World) -> dict[str, dict[str, Any]]:
    owner = world.people["operations"]
    view = SavedView.objects.create(
        owner=owner, screen="orders.orders", name="Mine", slug="mine", query="q=1"
    )
    calendar = Calendar.objects.create(key="warehouse", name="Warehouse")
    job = BulkJob.objects.create(
        user=owner,
        screen="orders.orders",
        action="orders.hold",
        label="Hold",
        params={"reason": "fraud", "note": ""},
        ids=[order.pk],
        total=1,
        back="/orders/",
    )
    auditor = world.people["auditor"]
    (grant,) = staff.change_role(
        [auditor.pk], "support", actor=person(world.people["administrator"])
    )
    caught = CaughtMail.objects.create(sender=SCRIPT, to=SCRIPT, subject=SCRIPT, body=SCRIPT)
    deputy = standing_in.name_deputy(
        world.people["finance"].pk,
        deputy=world.people["support"],
        first=timezone.localdate(),
        last=timezone.localdate(),
        why=SCRIPT,
        actor=person(world.people["finance"]),
    )
    return {
        "carrier": {"key": CarrierService.objects.get().key},
        "channel": {"key": order.channel.key, "pk": order.channel.places.get().pk},
        "deputy": {"pk": deputy.pk, "verdict": "agree"},
        "user_deputy": {"username": world.people["finance"].username},
        "company": {"name": order.channel.legal_entity.name},
        "calendar": {"pk": calendar.pk, "key": calendar.key, "day": "2026-12-24"},
        "user": {"username": auditor.username},
        "user_grant": {"username": auditor.username, "pk": grant.pk, "verdict": "agree"},
        "view": {"pk": view.pk},
        "caughtmail": {"pk": caught.pk},
        "job": {"pk": job.pk},
    }
