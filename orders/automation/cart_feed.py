"""Shops tell of carts by webhook: the whole cart each time, by the same door as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from automations.triggers import Fact, Feed, Known, Report, Unfit, labelled, triggers
from backoffice.actors import Actor, outside
from backoffice.money import Money
from orders.automation.carts import CartPayload, cart_payloads
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.queries.stores import stores_by_key
from orders.services.carts import NewCart, NewCartLine, receive_carts, refuse_cart
from orders.services.errors import OrderError
from orders.services.guests import Agreed, tell_agreed
from orders.services.marks import mail_mark


@dataclass(frozen=True, slots=True)
class CartLineReport:
    sku: str | None = labelled("SKU")
    description: str | None = labelled("Description")
    quantity: int = labelled("Quantity")
    price: Money = labelled("Unit price")


@dataclass(frozen=True, slots=True)
class CartReport:
    source: str = labelled("Source", about="The key of the source, such as web-shop.")
    topic: str = labelled("Topic", about="What the sender calls this kind of message.")
    store: str = labelled("Store", about="Its key here. Most senders are one: =web-shop.")
    cart: str = labelled("Cart", about="Its id in the shop.")
    touched_at: datetime = labelled("Touched last", about="When the buyer did something to it.")
    begun_at: datetime | None = labelled("Begun")
    customer: str | None = labelled("Customer number", about="As we have it. Guests have none.")
    mail: str | None = labelled("Mail address")
    agreed: bool | None = labelled(
        "Agreed to mail",
        about="Whether the buyer ticked news and offers by mail. A no said to us counts for more.",
    )
    lines: tuple[CartLineReport, ...] = labelled("Lines", about="All lines are sent each time.")


@triggers.register
class CartReported(Feed):
    """What is told twice, or after something newer, changes nothing and starts nothing."""

    key = "orders.cart_reported"
    label = "Shop tells of a cart"
    example = "The web shop tells of a cart of £64.00 that somebody fills."
    subject = "orders.cart"
    customer = "customer.number"
    payload_class = CartPayload
    report_class = CartReport
    reference = "cart"
    occurred = "touched_at"
    writes = True

    def answers(self, reports: Sequence[Report]) -> list[Fact | Unfit | Known]:
        stores = stores_by_key(report.told.store for report in reports)
        buyers = _customers(report.told.customer for report in reports)
        answers: dict[int, Fact | Unfit | Known] = {}
        good: dict[int, NewCart] = {}
        for place, report in enumerate(reports):
            found = _read(report.told, stores, buyers)
            if isinstance(found, Unfit):
                answers[place] = found
            else:
                good[place] = found
        answers |= _received(reports, good)
        return [answers[place] for place in range(len(reports))]

    def current(self, ids: Iterable[int]) -> dict[int, CartPayload]:
        return cart_payloads(ids)


def _customers(numbers: Iterable[str | None]) -> dict[str, int]:
    rows = Customer.objects.filter(number__in={number for number in numbers if number})
    return dict(rows.values_list("number", "pk"))


def _read(
    told: CartReport, stores: Mapping[str, Channel], buyers: Mapping[str, int]
) -> NewCart | Unfit:
    """The cart that a report tells of, or why it can't be one."""
    store = stores.get(told.store)
    if store is None or not store.is_active:
        says = (
            f"There is no open store “{told.store}”. Write the key of one of ours in the mapping."
        )
        return Unfit(says, "No such store")
    if told.mail and not mail_mark(told.mail):
        return Unfit("Its mail address is none. Look where it stands.", "No mail address")
    wrong = {line.price.currency for line in told.lines} - {store.currency}
    if wrong:
        says = f"Its prices are in {', '.join(sorted(wrong))}, but {store} sells in"
        return Unfit(f"{says} {store.currency}.", "Another currency than the store’s")
    new = NewCart(
        store,
        told.cart,
        told.touched_at,
        tuple(
            NewCartLine(line.quantity, line.price.amount, line.sku or "", line.description or "")
            for line in told.lines
        ),
        customer_id=buyers.get(told.customer or ""),
        email=told.mail or "",
        opened_at=told.begun_at,
    )
    try:
        refuse_cart(new)
    except OrderError as error:
        return Unfit(str(error), "A cart that can’t be")
    return new


def _received(
    reports: Sequence[Report], good: Mapping[int, NewCart]
) -> dict[int, Fact | Unfit | Known]:
    """Take carts in, all at once as they are locked, and answer by place."""
    if not good:
        return {}
    done = receive_carts(list(good.values()), actor=_teller(reports[place] for place in good))
    carts = dict(zip(good, done.carts, strict=True))
    # Of several about one cart only the newest was written, and of equals the last.
    newest = {
        carts[place].pk: place
        for place in sorted(good, key=lambda place: good[place].active_at)
        if carts[place].pk in done.changed
    }
    places = set(newest.values())
    tell_agreed(
        Agreed(carts[place], good[place].email, reports[place].actor)
        for place in sorted(places)
        if reports[place].told.agreed
    )
    payloads = cart_payloads(carts[place].pk for place in places)
    return {
        place: Fact(
            cart.pk, cart.version, payloads[cart.pk],
            reports[place].occurred_at, reports[place].actor,
        )
        if place in places
        else Known(_why(cart))
        for place, cart in carts.items()
    }  # fmt: skip


def _teller(reports: Iterable[Report]) -> Actor:
    tellers = {report.actor for report in reports}
    return tellers.pop() if len(tellers) == 1 else outside("Shops")


def _why(cart: Cart) -> str:
    if cart.state == Cart.State.CONVERTED:
        return f"Cart {cart} was ordered. It stays as it is."
    return f"Cart {cart} was told of before, as it is then or later. It stays as it is."
