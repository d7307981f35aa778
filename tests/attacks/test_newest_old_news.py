"""News that is told late: what it says counts from when it was told."""

from __future__ import annotations

import pytest

from orders.models.packages import Package
from orders.services.conflicts import notice_old_news
from tests.orders.test_old_news import Said, labelled, open_cases, told


@pytest.mark.django_db
def test_a_parcel_that_was_delivered_before_its_last_scan_is_no_open_question() -> None:
    order = labelled()
    told(order, days=8)
    assert (notice_old_news(), open_cases()) == (1, 1)
    # Told today; the courier's clock was behind.
    told(order, Said.DELIVERED, days=8.1)
    assert order.packages.get().state == Package.State.DELIVERED
    assert open_cases() == 0
