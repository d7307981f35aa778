"""Marketplaces tell of their orders by webhook: by the same door as whoever notes it by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from automations.triggers import Fact, Feed, Known, Report, Unfit, labelled, triggers
from orders.automation.payloads import CustomerFacts, MarketFacts, OrderFacts
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.channels import Channel
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.queries.figures import orders_by_id
from orders.queries.stores import stores_by_key
from orders.services.drafts import MarketNews
from orders.services.errors import OrderError
from orders.services.market import Heard, hear_market, of_market
from orders.services.outcomes import lock_orders

Answer = Fact | Unfit | Known
Numbers = Mapping[tuple[int, str], Order]
# Clocks differ; what is further ahead is a wrong one, and would outdo all that is told later.
AHEAD = timedelta(minutes=10)
# A deadline that is further away is a mistake.
FARTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class MarketReport:
    source: str = labelled("Source", about="The key of the source, such as market-uk.")
    topic: str = labelled("Topic", about="What the sender calls this kind of message.")
    store: str = labelled("Marketplace", about="Its key here. Most senders are one: =market-uk.")
    order: str = labelled("Order", about="Its number there.")
    status: str = labelled("Status there", choices=MarketOrder.Status.choices)
    ship_latest: datetime | None = labelled("To be handed over by")
    happened_at: datetime = labelled("Happened", about="Since when the status holds there.")


@dataclass(frozen=True, slots=True)
class MarketReportedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    market: MarketFacts = labelled("Marketplace")
    report: MarketReport | None = labelled("Report")


@triggers.register
class MarketReported(Feed):
    """What changes nothing starts nothing; what changes something is “market changed” as well."""

    key = "orders.market_reported"
    label = "Marketplace reports on an order"
    example = "The marketplace reports that order 026-1234567 is to be shipped by tonight."
    subject = "orders.order"
    customer = "customer.number"
    fixed = ("report",)
    reference = "order"
    writes = True
    payload_class = MarketReportedPayload
    report_class = MarketReport

    def answers(self, reports: Sequence[Report]) -> list[Answer]:
        stores = stores_by_key(report.told.store for report in reports)
        orders = _orders(reports, stores)
        good: list[tuple[int, Order]] = []
        answers: dict[int, Answer] = {}
        for place, report in enumerate(reports):
            found = _found(report, stores, orders)
            if isinstance(found, Unfit):
                answers[place] = found
            else:
                good.append((place, found))
        heard = _heard(reports, good)
        answers |= _told(reports, {place: order.pk for place, order in good}, heard)
        return [answers[place] for place in range(len(reports))]

    def current(self, ids: Iterable[int]) -> dict[int, MarketReportedPayload]:
        """The orders as they stand now, here and there; what was reported is fixed."""
        payloads = order_payloads(ids)
        rows = MarketOrder.objects.filter(order__in=payloads)
        return {
            row.order_id: MarketReportedPayload(
                payloads[row.order_id].order, payloads[row.order_id].customer, _side(row), None
            )
            for row in rows
        }


def _side(row: MarketOrder) -> MarketFacts:
    return MarketFacts(row.status, row.ship_latest)


def _orders(reports: Sequence[Report], stores: Mapping[str, Channel]) -> Numbers:
    """The orders that are told of, by store and number there."""
    wanted: dict[int, set[str]] = defaultdict(set)
    for report in reports:
        if report.told.store in stores:
            wanted[stores[report.told.store].pk].add(report.told.order)
    return {
        (store, order.external_id): order
        for store, numbers in wanted.items()
        for order in Order.objects.filter(channel=store, external_id__in=numbers - {""})
    }


def _found(report: Report, stores: Mapping[str, Channel], orders: Numbers) -> Order | Unfit:
    """The order that a report is about, or why it can't be heard."""
    told, store = report.told, stores.get(report.told.store)
    if store is None or not of_market(store):
        says = f"“{told.store}” is no marketplace of ours."
        return Unfit(f"{says} Write the key of one in the mapping.", "No such marketplace")
    now = timezone.now()
    if told.happened_at > now + AHEAD:
        return Unfit("It happened in the future. Ask the sender for its time.", "A future time")
    due = told.ship_latest
    if due is not None and not now - FARTHEST <= due <= now + FARTHEST:
        return Unfit(
            "It is to be handed over more than a year from now, or before. Look where the time "
            "stands.",
            "A deadline that can’t be",
        )
    order = orders.get((store.pk, told.order))
    if order is None:
        says = f"There is no order {told.order} of {store} here."
        return Unfit(says, "There is no such order", wait=True)
    if order.is_history:
        return Unfit(f"Order {told.order} was imported: history starts no rule.", "Imported order")
    return order


def _heard(
    reports: Sequence[Report], good: Sequence[tuple[int, Order]]
) -> dict[int, Heard | OrderError]:
    """What became of each, by place; older news of an order before newer ones."""
    lock_orders(order.pk for _, order in good)
    heard: dict[int, Heard | OrderError] = {}
    for place, order in sorted(
        good, key=lambda pair: (pair[1].pk, reports[pair[0]].told.happened_at)
    ):
        told = reports[place].told
        news = MarketNews(MarketOrder.Status(told.status), told.ship_latest, told.happened_at)
        try:
            heard[place] = hear_market(order.pk, news, actor=reports[place].actor)
        except OrderError as error:
            heard[place] = error
    return heard


def _told(
    reports: Sequence[Report], ids: Mapping[int, int], heard: Mapping[int, Heard | OrderError]
) -> dict[int, Answer]:
    orders = orders_by_id(
        ids[place] for place, each in heard.items() if isinstance(each, Heard) and each.is_news
    )
    payloads = payloads_of(list(orders.values()))
    answers: dict[int, Answer] = {}
    for place, each in heard.items():
        report = reports[place]
        if isinstance(each, OrderError):
            answers[place] = Unfit(str(each), "It was refused")
        elif not each.is_news:
            answers[place] = Known(
                f"There it is “{each.row.get_status_display()}” already. Nothing changed."
            )
        else:
            order, payload = orders[ids[place]], payloads[ids[place]]
            answers[place] = Fact(
                order.pk,
                order.version,
                MarketReportedPayload(
                    payload.order, payload.customer, _side(each.row), report.told
                ),
                report.occurred_at,
                report.actor,
            )
    return answers
