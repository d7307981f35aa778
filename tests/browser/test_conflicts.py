"""Two systems that disagree, on the order's page and on the case: seen, opened, decided."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from automations.models.failures import Failure
from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.channels import Channel
from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.packages import TrackerEvent
from orders.services.drafts import MarketNews
from orders.services.market import note_market
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.browser.keys import ready
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, place
from tests.orders.parcels import HOME


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_somebody_goes_from_the_case_to_the_order_and_decides(
    scheme: str, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe, operations_user: User
) -> None:
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(kind=Channel.Kind.MARKETPLACE)
    channel.refresh_from_db()
    order = place(line(make_sku(stock=9)), channel=channel, ship_to=HOME, external_id="026-1")
    pay(order)
    moving = NewEvent(TrackerEvent.State.MOVING, timezone.now())
    record_tracking(pack_order(order.pk, actor=HOUSE).pk, [moving], actor=HOUSE)
    note_market(order.pk, MarketNews(MarketOrder.Status.CANCELLED), actor=HOUSE)
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    ready(page, f"/failures/{Failure.objects.get().pk}/")
    expect(page.locator("#blocks")).to_contain_text("no rule spends money")
    check_axe(page)
    page.locator("#act-decide").click()
    page.wait_for_url(f"**/orders/{order.number}/")
    conflict = Conflict.objects.get()
    callout = page.locator(f"#conflict-{conflict.pk}")
    expect(callout).to_contain_text("cancelled there")
    expect(callout).to_contain_text("on its way")
    check_axe(page)
    callout.get_by_role("button", name="Decide…").click()
    check_axe(page)
    page.get_by_label("The cancellation stands").check()
    page.get_by_label("How you know").fill("The carrier turns it round.")
    page.get_by_role("button", name="Decide", exact=True).click()
    expect(callout).to_have_count(0)
    assert Failure.objects.get().state == "resolved"
