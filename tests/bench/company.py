"""A company of any size to measure on, made through the same services as everything else."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Model
from django.test import Client

from backoffice.actors import importer
from backoffice.grants import as_owner
from backoffice.models import User
from backoffice.roles import ROLES
from config.imports.online_retail.run import open_company
from finance.models.payments import Payment
from finance.services.payments import NewPayment, record_payments
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, NewLine, NewOrder
from orders.services.placing import place_orders

BENCH = importer("bench")
SKUS = 500
BATCH = 1_000
# So many orders are placed one by one; more than that are copies, so far apart by id.
PLACED = 100_000
APART = 10_000_000
COUNTRIES = ("GB", "GB", "GB", "DE", "FR", "IE", "US", "NL")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def staff() -> dict[str, User]:
    """One member of staff per role."""
    made = {}
    with as_owner(), connection.cursor() as cursor:
        for role in ROLES:
            user, fresh = User.objects.get_or_create(username=f"bench-{role}")
            if fresh:
                cursor.execute(
                    "SELECT backoffice_bootstrap_role(%s, %s, %s)",
                    [user.pk, role, "To measure with."],
                )
            made[role] = user
    return made


def client_of(user: User) -> Client:
    """A client that is signed in as the user."""
    client = Client(raise_request_exception=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def make_orders(count: int) -> None:
    """Orders of two lines over the last 90 days, paid and shipped, as history; 60 % at home.

    What goes beyond `PLACED` is copied from those, with their lines, at other times.
    """
    made = min(count, PLACED)
    _place(made, max(1, count // 10))
    for copy in range(1, -(-count // made)):
        _copy(copy, min(made, count - copy * made))
    if count > made:
        with as_owner(), connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _place(count: int, buyers: int) -> None:
    channel = open_company("Bench Ltd")
    skus = add_skus([NewSku(f"B{n:05}", f"Thing {n}") for n in range(SKUS)], actor=BENCH)
    receive_stock(
        [
            Moving(f"bench:{sku.pk}", sku.pk, channel.location_id, 1_000_000, NOW - YEAR)
            for sku in skus.values()
        ],
        actor=BENCH,
        history=True,
    )
    customers = add_customers(
        [NewCustomer(f"C{n:06}", name=f"Customer {n}") for n in range(buyers)]
    )
    chance = random.Random(7)
    people = list(customers.values())
    for start in range(0, count, BATCH):
        _batch(channel, people, range(start, min(count, start + BATCH)), chance)


def _copy(copy: int, count: int) -> None:
    """The first so many orders once more: other ids, numbers and times, another customer."""
    shift = copy * APART
    _insert(
        Order,
        "o",
        f"(SELECT * FROM orders_order WHERE id < {APART} ORDER BY id LIMIT {count}) o",
        {
            "id": f"o.id + {shift}",
            "number": f"'9' || lpad((o.id + {shift})::text, 9, '0')",
            "external_id": "''",
            "placed_at": f"o.placed_at - interval '{copy} days 7 minutes'",
            "customer_id": f"(SELECT min(id) FROM orders_customer) + (o.id * 7 + {copy}) % "
            "(SELECT count(*) FROM orders_customer)",
        },
    )
    _insert(
        OrderLine,
        "l",
        f"orders_orderline l JOIN orders_order o ON o.id = l.order_id + {shift} "
        f"WHERE l.order_id < {APART}",
        {"id": f"l.id + {shift}", "order_id": f"l.order_id + {shift}"},
    )


def _insert(model: type[Model], alias: str, source: str, changes: dict[str, str]) -> None:
    columns = [str(field.column) for field in model._meta.concrete_fields]
    taken = ", ".join(changes.get(column, f"{alias}.{column}") for column in columns)
    into = f"{model._meta.db_table} ({', '.join(columns)})"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {into} SELECT {taken} FROM {source}")


YEAR = timedelta(days=365)


def _batch(channel: Channel, people: list[Customer], numbers: range, chance: random.Random) -> None:
    drafts = [_order(channel, people, number, chance) for number in numbers]
    placed = place_orders(drafts, history=True, actor=BENCH)
    record_payments(
        [
            NewPayment(
                order.pk,
                "bench",
                f"bench-{order.pk}",
                order.total_money,
                order.placed_at,
                Payment.Method.CARD,
            )
            for order in placed.orders
        ],
        actor=BENCH,
        history=True,
    )


def _order(
    channel: Channel, people: list[Customer], number: int, chance: random.Random
) -> NewOrder:
    at = NOW - timedelta(minutes=chance.randrange(90 * 24 * 60))
    lines = tuple(
        NewLine(
            quantity=chance.randrange(1, 5),
            unit_price=Decimal(chance.randrange(100, 30_000)) / 100,
            sku=f"B{chance.randrange(SKUS):05}",
        )
        for _ in range(2)
    )
    return NewOrder(
        channel,
        lines,
        external_id=f"bench-{number}",
        customer_id=chance.choice(people).pk,
        placed_at=at,
        ship_to=Address(name=f"Customer {number}", city="Town", country=chance.choice(COUNTRIES)),
        shipped_at=at,
    )
