"""What orders show on the home page, in the rail and in the search."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.decorators import permission_required
from django.db.models import Count as CountOf
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from backoffice import counts, home, panels, search
from backoffice.models import User
from backoffice.money import Money
from orders.models.claims import Claim
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.prices import PriceChange
from orders.models.reviews import Review
from orders.queries.countries import country_name
from orders.queries.due import TO_SHIP, will_miss

SHOWN = 8


def _rows(condition: Q, first: str = "placed_at") -> tuple[list[Order], int, list[Money]]:
    """The first orders of a condition, how many there are, and what they come to by currency."""
    orders = Order.objects.filter(condition)
    sums = orders.values("currency").annotate(number=CountOf("pk"), total=Sum("total"))
    figures = list(sums.order_by("currency"))
    amounts = [Money(row["total"], row["currency"]) for row in figures]
    return (
        list(orders.order_by(first, "pk")[:SHOWN]),
        sum(row["number"] for row in figures),
        amounts,
    )


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_home_at_risk(request: HttpRequest) -> HttpResponse:
    """Orders that will miss today's cut-off as they stand, the first cut-off first."""
    rows, number, amounts = _rows(will_miss(), "ship_by")
    context = {
        "title": "Will miss today’s cut-off",
        "empty": "Everything that must leave today can.",
        "rows": rows,
        "number": number,
        "amounts": amounts,
        "url": f"{reverse('order_list')}?view=at-risk",
        "panel_id": "home-orders-at-risk",
        "ship_by": True,
    }
    return render(request, "orders/_home_orders.html", context)


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_home_held(request: HttpRequest) -> HttpResponse:
    """Orders that somebody must decide about."""
    rows, number, amounts = _rows(Q(is_held=True))
    context = {
        "title": "On hold",
        "empty": "Nothing is on hold.",
        "rows": rows,
        "number": number,
        "amounts": amounts,
        "url": f"{reverse('order_list')}?view=held",
        "panel_id": "home-orders-held",
    }
    return render(request, "orders/_home_orders.html", context)


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_home_to_ship(request: HttpRequest) -> HttpResponse:
    """Orders that wait to leave, oldest first."""
    rows, number, amounts = _rows(TO_SHIP & Q(is_held=False))
    context = {
        "title": "Waiting to ship, oldest first",
        "empty": "Everything that may leave has left.",
        "rows": rows,
        "number": number,
        "amounts": amounts,
        "url": f"{reverse('order_list')}?view=to-ship",
        "panel_id": "home-orders-to-ship",
    }
    return render(request, "orders/_home_orders.html", context)


def _find_orders(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    found = Order.objects.filter(number__istartswith=words).order_by("number")[:limit]
    for order in found:
        yield search.Hit(
            "order",
            order.number,
            reverse("order_detail", args=[order.number]),
            f"{order.total_money}, {order.get_fulfilment_display().lower()}",
            "shopping-cart",
        )


def _find_customers(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    fitting = Q(number=words) | Q(email=words) | Q(name__istartswith=words)
    for customer in Customer.objects.filter(fitting).order_by("name", "pk")[:limit]:
        yield search.Hit(
            "customer",
            customer.name or customer.number,
            reverse("customer_detail", args=[customer.number]),
            f"{customer.number}, {country_name(customer.country)}",
            "address-book",
        )


def _find_claims(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    for claim in Claim.objects.filter(number=words.upper())[:limit]:
        url = reverse("claim_detail", args=[claim.number])
        text = f"{claim.get_reason_display()}, {claim.get_state_display().lower()}"
        yield search.Hit("claim", claim.number, url, text, "mood-sad")


def _claims_waiting(user: User) -> counts.Count | None:
    number = Claim.objects.filter(state=Claim.State.OPEN).count()
    return counts.Count(number) if number else None


def _prices_waiting(user: User) -> counts.Count | None:
    number = PriceChange.objects.filter(state=PriceChange.State.WAITING).count()
    return counts.Count(number) if number else None


def register_everywhere() -> None:
    """Called once when the app is ready."""
    operations = ("operations", "administrator", "auditor")
    held = home.HomePanel("On hold", "order_home_held", "orders.view_order", 30, operations)
    home.register(
        home.HomePanel(
            "Will miss today’s cut-off", "order_home_at_risk", "orders.view_order", 25, operations
        )
    )
    home.register(held)
    home.register(
        home.HomePanel("Waiting to ship", "order_home_to_ship", "orders.view_order", 35, operations)
    )
    search.register("Orders", "orders.view_order", _find_orders)
    search.register("Customers", "orders.view_customer", _find_customers)
    counts.register(
        "order_list",
        lambda user: counts.Count(Order.objects.filter(TO_SHIP).count()),
    )
    counts.register(
        "review_list",
        lambda user: counts.Count(Review.objects.filter(state=Review.State.OPEN).count()),
    )
    search.register("Claims", "orders.view_claim", _find_claims)
    counts.register("claim_list", _claims_waiting)
    counts.register("pricechange_list", _prices_waiting)
    panels.register(panels.Panel("inventory.sku", "Prices", "sku_prices", "orders.view_price", 20))
