"""How long pages take on the server with 100,000 orders behind them, 50 rows a page."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from orders.models.customers import Customer
from orders.models.orders import Order

TIMES = 20


def addresses() -> dict[str, str]:
    """What is asked, by name."""
    order = Order.objects.order_by("pk")[1000:1001].get()
    customer = Customer.objects.order_by("pk")[10:11].get()
    orders = reverse("order_list")
    return {
        "orders": orders,
        "orders.page_1000": f"{orders}?page=1000",
        "orders.filter": f"{orders}?country=DE&total=gte:200",
        "orders.sort": f"{orders}?sort=-total",
        "orders.search": f"{orders}?q={order.number}",
        "order": reverse("order_detail", args=[order.number]),
        "customers": reverse("customer_list"),
        "customer": reverse("customer_detail", args=[customer.number]),
        "stock": reverse("sku_list"),
        "ledger": reverse("ledger"),
        "payments": reverse("payment_list"),
        "home": reverse("home"),
        "search": f"{reverse('search')}?q={order.number}",
    }


def p95_ms(client: Client, address: str) -> float:
    """The 95th percentile of a page's time in ms, warm; raises for anything but 200."""
    return _p95(lambda: _get(client, address))


def _get(client: Client, address: str) -> None:
    response = client.get(address)
    if response.status_code != 200:
        raise RuntimeError(f"{address} answered {response.status_code}.")


def _p95(act: Callable[[], None]) -> float:
    act()
    taken = []
    for _ in range(TIMES):
        started = time.perf_counter()
        act()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.quantiles(taken, n=20)[-1]
