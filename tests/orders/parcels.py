"""Parcels for tests, and a carrier that can lose its answer."""

from __future__ import annotations

from decimal import Decimal
from threading import Lock
from time import sleep

from backoffice.actors import HOUSE
from backoffice.money import Money
from orders.models.carriers import CarrierService
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.services.drafts import Address
from orders.services.labels import Wanted, buy_label
from orders.services.ports import BoughtLabel, CarrierDown, LabelRequest
from tests.inventory.factories import make_sku
from tests.orders.factories import (
    fresh,
    line,
    make_service,
    pay,
    place,
)

HOME = Address("Grace Holloway", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")
ABROAD = Address("Grace Holloway", "Rue de Rivoli 5", "Paris", "75001", "FR")
OSLO = Address("Grace Holloway", "Karl Johans gate 1", "Oslo", "0154", "NO")


def paid(quantity: int = 2, ship_to: Address = HOME, code: str = "85123A") -> Order:
    order = place(line(make_sku(code, stock=10), quantity), ship_to=ship_to)
    pay(order)
    return fresh(order)


def service() -> CarrierService:
    return CarrierService.objects.first() or make_service()


def buy(package: Package, tracking: str = "JD01", key: str = "one") -> Label:
    return buy_label(Wanted(package.pk, service().pk, key, tracking), actor=HOUSE)


class Post:
    """A carrier that makes one label for each reference, and can lose its answer."""

    def __init__(self) -> None:
        self.made: dict[str, BoughtLabel] = {}
        self.bought = 0
        self.loses = 0
        self.takes_back = True
        self.lock = Lock()

    def find(self, reference: str) -> BoughtLabel | None:
        return self.made.get(reference)

    def buy(self, request: LabelRequest) -> BoughtLabel:
        sleep(0.02)
        with self.lock:
            self.bought += 1
            label = BoughtLabel(f"P{self.bought:04}", request.reference, Money(Decimal(3), "GBP"))
            self.made[request.reference] = label
            if self.loses:
                self.loses -= 1
                raise CarrierDown("The carrier did not answer in time.")
        return label

    def void(self, reference: str) -> bool:
        return self.takes_back


def by_post() -> CarrierService:
    found = service()
    CarrierService.objects.filter(pk=found.pk).update(port="post")
    return found
