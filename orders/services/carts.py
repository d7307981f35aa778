"""Carts: taking them in, finding those that were left behind, and those that came true.

Shops tell of carts again and again, late and out of order. Any order of the same customer or mail
address, whatever way it came, ends the carts that were begun before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from operator import itemgetter

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import HOUSE, Acting, Actor
from backoffice.sets import save_many
from inventory.queries.skus import skus_by_code
from orders import signals
from orders.models.carts import Cart, CartLine
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.queries.carts import carts_of, ordered_since
from orders.queries.customers import live_ids
from orders.services.drafts import NewOrder
from orders.services.errors import OrderError
from orders.services.figures import lock_customers
from orders.services.marks import Marks, mail_mark
from orders.services.numbers import next_cart_numbers
from orders.services.pricing import step_of

LABEL = "orders.cart"
State = Cart.State
# A cart that nobody touched for so long is nobody's any more.
EXPIRES_AFTER = timedelta(days=30)
MOST_LINES = 500
MOST_UNITS = 1_000_000
# Nobody left a cart before; a time at the edge of the calendar could not be read again.
OLDEST = timedelta(days=3653)
# One that came in just now is left alone: an order of its buyer may be on its way.
_SETTLES = timedelta(minutes=1)
# A guest who orders and their cart that comes in wait for each other, in one of so many queues.
_QUEUES = 256
# The first half of the key of our advisory locks: "cart".
_LOCKS = 0x63617274

_LOCK = """
SELECT c.id FROM orders_cart c WHERE c.id IN (
    SELECT f.id FROM orders_cart f WHERE f.customer_id = ANY(%s)
       AND f.state IN ('open', 'abandoned')
    UNION
    SELECT f.id FROM orders_cart f WHERE f.mail = ANY(%s) AND f.mail <> ''
       AND f.state IN ('open', 'abandoned')
    UNION
    SELECT f.id FROM orders_cart f JOIN orders_customer k ON k.mail_key = f.mail
     WHERE k.id = ANY(%s) AND f.mail <> '' AND f.state IN ('open', 'abandoned'))
ORDER BY c.id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class NewCartLine:
    """One line, its price in the channel's currency; `sku` is the code as the shop has it."""

    quantity: int
    unit_price: Decimal
    sku: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class NewCart:
    """A cart as a shop tells of it: the whole of it, each time.

    `active_at` is when somebody did something to it last; what is older than what we know changes
    nothing. `opened_at` None: it began when it was first heard of. Without lines it was emptied.
    `customer_id` None: found by the mail address, where one customer alone has it.
    """

    channel: Channel
    external_id: str
    active_at: datetime
    lines: tuple[NewCartLine, ...] = ()
    customer_id: int | None = None
    email: str = ""
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """The carts, in the order given, and the ids of those that this call made or changed."""

    carts: list[Cart]
    changed: frozenset[int]


def receive_carts(new: Sequence[NewCart], *, actor: Actor) -> Received:
    """Take carts in, or replace what is known of them; the same twice changes nothing.

    One that was abandoned and is touched again is open again; one that was ordered stays so. One
    whose buyer ordered since it began is converted at once. Raises OrderError. Announces
    carts_recovered.
    """
    for each in new:
        refuse_cart(each)
    try:
        with transaction.atomic():
            return _receive(new, actor)
    except IntegrityError:
        # Another message about the same cart was faster: now it is seen.
        with transaction.atomic():
            return _receive(new, actor)


def _receive(new: Sequence[NewCart], actor: Actor) -> Received:
    latest = {(each.channel.pk, each.external_id): each for each in sorted(new, key=_age)}
    known = _known(latest)
    ids = _buyers(latest.values())
    # Whose a cart was is looked at under a lock too: they may have been erased just now.
    before = {key: cart.customer_id for key, cart in known.items()}
    customers = lock_customers(pk for pk in (*ids.values(), *before.values()) if pk is not None)
    buyers = {key: _unless_erased(customers.get(pk or 0)) for key, pk in ids.items()}
    for key, stored in known.items():
        stored.customer = _unless_erased(customers.get(before[key] or 0))
    mails = {key: _mail(each, buyers[key]) for key, each in latest.items()}
    # Also of carts whose news names none: who orders by that address waits for what is told here.
    lock_mails([*mails.values(), *(cart.mail for cart in known.values())])
    changed = []
    for key, each in sorted(latest.items(), key=itemgetter(0)):
        cart = known.get(key)
        if cart is None or _is_news(cart, each):
            known[key] = _replace(cart, each, buyers[key], mails[key])
            changed.append(known[key])
    _write_lines(changed, latest)
    # Also what is no news: an order placed meanwhile left out the carts that were held here.
    convert_ordered(list(known.values()), actor=actor)
    carts = [known[each.channel.pk, each.external_id] for each in new]
    return Received(carts, frozenset(cart.pk for cart in changed))


def _age(new: NewCart) -> datetime:
    return new.active_at


def refuse_cart(new: NewCart) -> None:
    """Raise OrderError for a cart that can't be."""
    step = step_of(new.channel.currency)
    if not new.external_id or len(new.external_id) > 80:
        raise OrderError("A cart has an id of its shop, of at most 80 characters.")
    _refuse_times(new)
    if len(new.lines) > MOST_LINES:
        raise OrderError(f"A cart has at most {MOST_LINES} lines.")
    for line in new.lines:
        if line.quantity <= 0 or not line.unit_price.is_finite() or line.unit_price < 0:
            raise OrderError("A line has a quantity above zero and a price of zero or more.")
        too_fine = max(_digits(line.unit_price), _digits(step)) > 4
        if line.quantity > MOST_UNITS or line.unit_price * line.quantity >= 10**12 or too_fine:
            raise OrderError(f"An amount of cart {new.external_id} can't be right.")


def _digits(amount: Decimal) -> int:
    """How many digits stand after the point."""
    return -int(amount.normalize().as_tuple().exponent)


def _refuse_times(new: NewCart) -> None:
    now = timezone.now()
    if new.active_at > now + timedelta(minutes=10):
        raise OrderError(f"Cart {new.external_id} was touched in the future. Check its time.")
    for at in (new.active_at, new.opened_at or new.active_at):
        if not now - OLDEST <= at <= now + timedelta(minutes=10):
            raise OrderError(f"The times of cart {new.external_id} can't be right. Check them.")


def _buyers(new: Iterable[NewCart]) -> dict[tuple[int, str], int | None]:
    """Whom each cart is of, by channel and id: as told, else who alone has the mail address."""
    new = list(new)
    told = live_ids(each.customer_id for each in new if each.customer_id is not None)
    mails = {mail_mark(each.email) for each in new if each.customer_id is None} - {""}
    by_mail: dict[str, list[int]] = {}
    rows = Customer.objects.live().filter(mail_key__in=mails)
    for mail, pk in rows.values_list("mail_key", "pk"):
        by_mail.setdefault(mail, []).append(pk)
    found: dict[tuple[int, str], int | None] = {}
    for each in new:
        alike = by_mail.get(mail_mark(each.email), [])
        by_its_mail = alike[0] if len(alike) == 1 else None
        key = (each.channel.pk, each.external_id)
        found[key] = told.get(each.customer_id) if each.customer_id else by_its_mail
    return found


def _mail(new: NewCart, buyer: Customer | None) -> str:
    """The mail address that tells the buyer, in one spelling; empty without one.

    Of a customer who was erased since, the shop's own record is no address to keep again.
    """
    if new.customer_id is not None and buyer is None:
        return ""
    return mail_mark(new.email or (buyer.email if buyer else ""))[:320]


def lock_mails(mails: Iterable[str]) -> None:
    """Wait for whoever orders, or tells of a cart, with one of these mail addresses right now."""
    wanted = sorted(set(mails) - {""})
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, queue) FROM (SELECT DISTINCT "
            "abs(hashtext(mail) %% %s) AS queue FROM unnest(%s::text[]) AS mail ORDER BY 1) AS q",
            [_LOCKS, _QUEUES, wanted],
        )


def _known(new: Mapping[tuple[int, str], NewCart]) -> dict[tuple[int, str], Cart]:
    """Carts that are there already, locked."""
    wanted = Q(pk__in=[])
    by_channel: dict[int, list[str]] = {}
    for channel_id, external_id in new:
        by_channel.setdefault(channel_id, []).append(external_id)
    for channel_id, ids in by_channel.items():
        wanted |= Q(channel=channel_id, external_id__in=ids)
    rows = Cart.objects.select_for_update(no_key=True).filter(wanted).order_by("pk")
    return {(cart.channel_id, cart.external_id): cart for cart in rows}


def _unless_erased(customer: Customer | None) -> Customer | None:
    """Nobody who was erased is tied to a mail address again, though their shop still tells it."""
    return None if customer is None or customer.erased_at is not None else customer


def _is_news(cart: Cart, new: NewCart) -> bool:
    return cart.state != State.CONVERTED and new.active_at > cart.active_at


def _replace(cart: Cart | None, new: NewCart, buyer: Customer | None, mail: str) -> Cart:
    """The cart as it is told of now, saved."""
    if cart is None:
        (number,) = next_cart_numbers(1)
        cart = Cart(
            number=number, channel=new.channel, external_id=new.external_id,
            opened_at=new.opened_at or new.active_at, version=0,
        )  # fmt: skip
    cart.customer = buyer or cart.customer
    cart.mail = mail or cart.mail
    cart.currency = new.channel.currency
    cart.total = sum((_total(line, new.channel) for line in new.lines), Decimal(0))
    cart.units = sum(line.quantity for line in new.lines)
    cart.line_count = len(new.lines)
    cart.active_at = new.active_at
    cart.state = State.OPEN if new.lines else State.EXPIRED
    cart.abandoned_at = None
    cart.received_at = timezone.now()
    cart.ended_at = None if new.lines else new.active_at
    cart.version += 1
    cart.save()
    return cart


def _total(line: NewCartLine, channel: Channel) -> Decimal:
    whole = line.unit_price * line.quantity
    return whole.quantize(step_of(channel.currency), rounding=ROUND_HALF_UP)


def _write_lines(carts: Sequence[Cart], new: Mapping[tuple[int, str], NewCart]) -> None:
    mine = [(cart, new[cart.channel_id, cart.external_id]) for cart in carts]
    skus = skus_by_code(line.sku for _, each in mine for line in each.lines if line.sku)
    CartLine.objects.filter(cart__in=carts).delete()
    CartLine.objects.bulk_create(
        CartLine(
            cart=cart, position=position, sku=skus.get(line.sku), code=line.sku[:60],
            description=line.description[:200], quantity=line.quantity,
            unit_price=line.unit_price, line_total=_total(line, each.channel),
        )
        for cart, each in mine
        for position, line in enumerate(each.lines, 1)
    )  # fmt: skip


def convert_ordered(carts: Sequence[Cart], *, actor: Acting) -> list[Cart]:
    """Of carts that are locked, end those whose buyer ordered since they began."""
    live = [cart for cart in carts if cart.is_live]
    found = ordered_since(live)
    mine = [cart for cart in live if cart.pk in found]
    _convert([(cart, found[cart.pk]) for cart in mine], actor)
    return mine


def lock_carts_of(drafts: Sequence[NewOrder]) -> None:
    """Lock the live carts that orders may end, before their customers: the house's order.

    Rules that write about a cart hold it first and its customer then.
    """
    customers = [draft.customer_id for draft in drafts if draft.customer_id is not None]
    mails = [mail for draft in drafts if (mail := mail_mark(draft.contact.email))]
    if customers or mails:
        with connection.cursor() as cursor:
            cursor.execute(_LOCK, [customers, mails, customers])


def convert_carts(orders: Sequence[Order], marks: Marks, *, actor: Acting) -> list[Cart]:
    """End the carts of whoever placed these orders, by customer or mail address, in any channel.

    Only those begun before the order. The customers are locked. Announces carts_recovered for
    those that were abandoned.
    """
    mails = {order.pk: marks.get(order.pk, {}).get("mail", "") for order in orders}
    lock_mails(mails.values())
    found = carts_of(orders, mails)
    # Those that were there are locked since before the customers. One that came in just now may be
    # held by whoever tells of it: they wait for the customer, and then see the order themselves.
    rows = Cart.objects.select_for_update(no_key=True, skip_locked=True).filter(
        pk__in=found, state__in=Cart.LIVE
    )
    by_id = {order.pk: order for order in orders}
    ending = [(cart, by_id[found[cart.pk]]) for cart in rows.order_by("pk")] if found else []
    _convert(ending, actor)
    return [cart for cart, _ in ending]


def _convert(pairs: Sequence[tuple[Cart, Order]], actor: Acting) -> None:
    """Carts that came true; told where they had been given up."""
    if not pairs:
        return
    for cart, order in pairs:
        cart.state = State.CONVERTED
        cart.order = order
        cart.ended_at = max(order.placed_at, cart.opened_at)
        cart.version += 1
    carts = [cart for cart, _ in pairs]
    save_many(carts, ["state", "order", "ended_at", "version"])
    timeline.record(
        timeline.Happened(LABEL, cart.pk, f"Became order {order}", actor.of(order.pk))
        for cart, order in pairs
    )
    recovered = [cart for cart in carts if cart.abandoned_at is not None]
    if recovered:
        signals.carts_recovered.send(sender=Cart, carts=recovered, actor=HOUSE, history=False)


def sweep_carts(*, now: datetime | None = None, limit: int = 1000) -> int:
    """Find carts that nobody touched for as long as their channel says; answers how many.

    Those whose buyer has ordered since are converted instead, and those of a month ago expire.
    `now` None means the present. Announces carts_abandoned, carts_recovered.
    """
    now = now or timezone.now()
    with transaction.atomic():
        _expire(now, limit)
        idle = list(_idle(now, limit))
        converted = {cart.pk for cart in convert_ordered(idle, actor=HOUSE)}
        left = [cart for cart in idle if cart.pk not in converted]
        for cart in left:
            cart.state, cart.abandoned_at = State.ABANDONED, min(now, timezone.now())
            cart.version += 1
        save_many(left, ["state", "abandoned_at", "version"])
        timeline.record(timeline.Happened(LABEL, cart.pk, "Left behind", HOUSE) for cart in left)
        if left:
            signals.carts_abandoned.send(sender=Cart, carts=left, actor=HOUSE, history=False)
        return len(left)


def _idle(now: datetime, limit: int) -> Iterable[Cart]:
    idle = Q(pk__in=[])
    for channel_id, minutes in Channel.objects.filter(cart_minutes__gt=0).values_list(
        "pk", "cart_minutes"
    ):
        idle |= Q(channel=channel_id, active_at__lte=now - timedelta(minutes=minutes))
    rows = Cart.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
    heard = now - _SETTLES
    return rows.filter(idle, state=State.OPEN, received_at__lt=heard).order_by("active_at", "pk")[
        :limit
    ]


def _expire(now: datetime, limit: int) -> None:
    rows = Cart.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).filter(
        state__in=Cart.LIVE, active_at__lte=now - EXPIRES_AFTER
    )
    old = list(rows.order_by("active_at", "pk")[:limit])
    for cart in old:
        cart.state, cart.ended_at = State.EXPIRED, now
        cart.version += 1
    save_many(old, ["state", "ended_at", "version"])
