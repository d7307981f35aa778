from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from backoffice.actors import HOUSE
from inventory.models import Reservation
from inventory.services.reservations import Demand, hold_stock
from inventory.tasks import expire_reservations
from tests.inventory.factories import make_sku, make_warehouse

pytestmark = pytest.mark.django_db


def test_the_sweep_ends_holds_that_have_run_out() -> None:
    sku = make_sku(stock=2)
    for number, minutes in enumerate([-1, 15]):
        demand = Demand(str(number), sku.pk, make_warehouse().pk, 1, "test.basket")
        at = timezone.now() + timedelta(minutes=minutes)
        hold_stock([demand], expires_at=at, actor=HOUSE)
    expire_reservations()
    assert list(Reservation.objects.order_by("pk").values_list("state", flat=True)) == [
        "expired",
        "held",
    ]


def test_every_sweep_is_scheduled() -> None:
    tasks = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert {
        "inventory.tasks.expire_reservations",
        "backoffice.tasks.sweep_bulk_jobs",
        "automations.tasks.sweep",
    } <= tasks
