"""Events as the world sends them: twice, late, out of order, and again whenever nobody answered."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, connection, transaction

from orders.services.placing import place_orders
from tests.automations import factories as make
from tests.chaos import company
from tests.chaos.company import Company
from tests.depot.models import Parcel

AT_ONCE = 20
TWICE = 0.1
LATE = 0.1
# Of the deliveries, those whose transaction stays open while later ones commit.
SLOW = 0.1
SHARES = {"tag": 0.4, "wait": 0.15, "look": 0.15, "blind": 0.1, "stop": 0.1, "ticket": 0.1}


@dataclass(frozen=True, slots=True)
class Spec:
    """One thing that happens, by the number the sender knows it by; `kind` names its rule."""

    kind: str
    number: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrives together. `slow`: seconds its transaction stays open."""

    specs: tuple[Spec, ...]
    slow: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will happen, and how it arrives: the same for a seed."""

    specs: tuple[Spec, ...]
    deliveries: tuple[Delivery, ...]


def plan(chance: random.Random, events: int, shares: dict[str, float] | None = None) -> Plan:
    """Spread the kinds by their shares, and draw what arrives late, twice and slowly."""
    wanted = shares or SHARES
    kinds = chance.choices(list(wanted), list(wanted.values()), k=events)
    specs = [Spec(kind, f"E-{number:07}") for number, kind in enumerate(kinds, 1)]
    places = []
    for place, spec in enumerate(specs):
        late = chance.uniform(AT_ONCE, 10 * AT_ONCE) if chance.random() < LATE else 0.0
        places.append((place + late, spec))
        if chance.random() < TWICE:
            places.append((place + late + chance.uniform(0, 5 * AT_ONCE), spec))
    arriving = [spec for _, spec in sorted(places, key=lambda each: (each[0], each[1].number))]
    return Plan(
        tuple(specs),
        tuple(
            Delivery(
                tuple(arriving[start : start + AT_ONCE]),
                chance.uniform(0.2, 1.0) if chance.random() < SLOW else 0.0,
            )
            for start in range(0, len(arriving), AT_ONCE)
        ),
    )


@dataclass
class Feeder:
    """Delivers a plan in threads of its own, evenly over a time, and repeats what failed."""

    company: Company
    plan: Plan
    seconds: float
    stopping: threading.Event = field(default_factory=threading.Event)
    # How often a delivery had to be repeated because PostgreSQL did not answer.
    repeats: int = 0
    errors: list[str] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="feeder")
        self._thread.start()

    @property
    def done(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """Deliver no more, and wait for what is on its way."""
        self.stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        began, count = time.monotonic(), len(self.plan.deliveries)
        with ThreadPoolExecutor(4, "slow") as slow:
            for place, delivery in enumerate(self.plan.deliveries):
                pause = began + self.seconds * place / count - time.monotonic()
                if self.stopping.wait(max(0.0, pause)):
                    break
                if delivery.slow:
                    slow.submit(self._deliver, delivery)
                else:
                    self._deliver(delivery)
            slow.shutdown(wait=True)
        connection.close()

    def _deliver(self, delivery: Delivery) -> None:
        while not self.stopping.is_set():
            try:
                deliver(self.company, delivery.specs, slow=delivery.slow)
                return
            except (DatabaseError, InterfaceError):
                # The sender does not know whether it arrived, and sends it again.
                self.repeats += 1
                connection.close()
                time.sleep(0.3)
            except Exception as error:  # noqa: BLE001 - told at the end, as the run is worthless
                self.errors.append(f"{type(error).__name__}: {error}")
                return


def deliver(to: Company, specs: Sequence[Spec], *, slow: float = 0.0) -> None:
    """Take in what has arrived: what is known by its number already changes nothing."""
    numbers = dict.fromkeys(specs)
    with transaction.atomic():
        _parcels([spec for spec in numbers if spec.kind != "ticket"])
        orders = [spec.number for spec in numbers if spec.kind == "ticket"]
        if orders and to.channel is not None:
            drafts = [company.order(to.channel, number) for number in orders]
            place_orders(drafts, actor=company.CHAOS)
        if slow:
            time.sleep(slow)


def _parcels(specs: Sequence[Spec]) -> None:
    numbers = [spec.number for spec in specs]
    known = set(Parcel.objects.filter(number__in=numbers).values_list("number", flat=True))
    fresh = [
        Parcel(number=spec.number, country="FR", total="250.00", carrier=spec.kind)
        for spec in specs
        if spec.number not in known
    ]
    if fresh:
        make.arrive(Parcel.objects.bulk_create(fresh))
