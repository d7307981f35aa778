"""What a carrier must be able to do for us, and the carrier that staff are themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from backoffice.money import Money
from orders.services.errors import OrderError


class LabelRefused(OrderError):
    """The carrier does not take the parcel like this; the message says why."""


class CarrierDown(OrderError):
    """The carrier did not answer: whether there is a label is looked up before the next try."""


@dataclass(frozen=True, slots=True)
class CustomsLine:
    """What customs ask about a line; `value` is of one unit."""

    description: str
    quantity: int
    hs_code: str
    origin: str
    value: Money


@dataclass(frozen=True, slots=True)
class LabelRequest:
    """A parcel as a carrier sees it. `reference` is ours and the same at every try.

    `tracking` and `cost` are what staff typed, for the carrier without a connector.
    """

    reference: str
    service: str
    package: str
    name: str
    street: str
    city: str
    postcode: str
    country: str
    weight_grams: int | None
    declared: Money
    customs: Sequence[CustomsLine] = ()
    tracking: str = ""
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BoughtLabel:
    """A label that the carrier has made; `cost` None where it told none."""

    tracking: str
    reference: str = ""
    cost: Money | None = None


class CarrierPort(Protocol):
    """One carrier. All three may be asked twice for one reference, and answer alike."""

    def find(self, reference: str) -> BoughtLabel | None:
        """The label of this reference; None when the carrier has none."""

    def buy(self, request: LabelRequest) -> BoughtLabel:
        """Buy a label; raises LabelRefused, CarrierDown."""

    def void(self, reference: str) -> bool:
        """Give a label back; False while the carrier has not agreed yet."""


class ByHand:
    """Staff buy the label at the carrier's counter or site, and type its number here."""

    def find(self, reference: str) -> BoughtLabel | None:
        return None

    def buy(self, request: LabelRequest) -> BoughtLabel:
        if not request.tracking.strip():
            raise LabelRefused("Type the tracking number that stands on the label.")
        money = None if request.cost is None else Money(request.cost, request.declared.currency)
        return BoughtLabel(request.tracking.strip(), cost=money)

    def void(self, reference: str) -> bool:
        return True


# By the key that a carrier service names. A connector adds its own when the site starts.
PORTS: dict[str, CarrierPort] = {"by_hand": ByHand()}


def port(key: str) -> CarrierPort:
    """The carrier of this key; raises CarrierDown when no connector offers it."""
    found = PORTS.get(key)
    if found is None:
        raise CarrierDown("The connector of this carrier is not set up.")
    return found
