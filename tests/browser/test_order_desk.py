"""A day at the order desk in a real browser: what is at risk, parts, parcels, numbers by file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.workbench import jobs
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.services.drafts import Address
from orders.services.holds import hold_orders
from orders.services.labels import Wanted, buy_label
from orders.services.packing import pack_order
from orders.services.shipping import ship_order
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.browser.keys import ready
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_service, make_store, place, stock

BATH = Address("Grace Holloway", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")


@pytest.fixture
def channel(operations_user: User) -> Channel:
    channel = make_channel()
    make_service(channel)
    channel.refresh_from_db()
    return channel


def a_paid_order(channel: Channel, sku: Sku | None = None, units: int = 3) -> Order:
    goods = sku or make_sku("KB-001", stock=20)
    order = place(line(goods, units, "20.00"), channel=channel, ship_to=BATH)
    pay(order)
    return fresh(order)


def late(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(ship_by=timezone.now() - timedelta(hours=1))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_screens_of_the_desk(
    scheme: str,
    channel: Channel,
    open_page: OpenPage,
    sign_in: SignIn,
    check_axe: CheckAxe,
    operations_user: User,
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, operations_user)
    lists = ("/parcels/", "/parcels/_/file/", "/settings/carriers/", "/settings/channels/")
    for address in ("/orders/", *lists):
        ready(page, address)
        check_axe(page)
    packed, labelled, gone = (a_paid_order(channel) for _ in range(3))
    late(packed)
    by = person(operations_user)
    hold_orders([labelled.pk], reason=Hold.Reason.ADDRESS, actor=by)
    for order in (packed, gone):
        package = pack_order(order.pk, actor=by)
        if order is gone:
            wanted = Wanted(package.pk, channel.service_id or 0, "k", "JD1")
            buy_label(wanted, actor=by)
    for address in ("/orders/", "/", *lists, "/parcels/?view=all"):
        ready(page, address)
        check_axe(page)
    for order in (packed, labelled, gone):
        ready(page, f"/orders/{order.number}/")
        check_axe(page)


def test_the_desk_begins_with_what_will_miss_the_cut_off(
    channel: Channel, page: Page, sign_in: SignIn, operations_user: User
) -> None:
    at_risk, fine = a_paid_order(channel), a_paid_order(channel)
    late(at_risk)
    sign_in(page, operations_user)
    ready(page, "/orders/")
    expect(page.locator("h1")).to_contain_text("Orders")
    expect(page.locator("tbody")).to_contain_text(at_risk.number)
    expect(page.locator("tbody")).not_to_contain_text(fine.number)
    ready(page, "/")
    expect(page.locator("#home-orders-at-risk")).to_contain_text(at_risk.number)


def test_an_order_is_split_packed_labelled_and_tracked(
    channel: Channel, page: Page, sign_in: SignIn, operations_user: User
) -> None:
    order = a_paid_order(channel)
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    page.keyboard.press("s")
    page.get_by_label("KB-001: units").fill("1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".strip")).to_contain_text("1 of 3 units")
    assert fresh(order).fulfilment == Order.Fulfilment.PART_SHIPPED
    page.wait_for_load_state("networkidle")
    page.keyboard.press("k")
    page.get_by_label("Weight, in grams").fill("900")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#parcels")).to_contain_text("2 × KB-001")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Label…").click()
    page.get_by_label("Tracking number").fill("JD0146")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#parcels")).to_contain_text("JD0146")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Hand over").click()
    page.locator("#dialog button[type=submit]").click()
    expect(page.locator("#parcels")).to_contain_text("Handed over")
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Tracking…").click()
    page.get_by_label("The carrier says").select_option("delivered")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#parcels")).to_contain_text("Delivered")


def test_an_order_is_sent_from_elsewhere_and_its_rest_promised(
    channel: Channel, page: Page, sign_in: SignIn, operations_user: User
) -> None:
    sku = make_sku("KB-001", stock=20)
    order = a_paid_order(channel, sku)
    leeds = make_store()
    stock(sku, 5, leeds)
    sign_in(page, operations_user)
    ready(page, f"/orders/{order.number}/")
    page.get_by_role("button", name="Send from elsewhere…").click()
    page.get_by_label("Place").select_option(label="Leeds (LEEDS)")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".strip")).to_contain_text("chosen by hand")
    page.wait_for_load_state("networkidle")
    page.get_by_role("button", name="Promise the rest…").click()
    day = timezone.localdate() + timedelta(days=8)
    page.get_by_label("Day").fill(day.isoformat())
    page.keyboard.press("Control+Enter")
    expect(page.locator(".strip")).to_contain_text("Rest promised for")
    assert fresh(order).promised_on == day


def test_tracking_numbers_come_from_a_file_and_every_row_is_seen_first(
    channel: Channel, page: Page, sign_in: SignIn, operations_user: User
) -> None:
    orders = [a_paid_order(channel, units=1) for _ in range(3)]
    rows = [f"{order.number},RM{number}" for number, order in enumerate(orders)]
    text = "\n".join(["order,tracking", *rows, "nobody,RM9"])
    sign_in(page, operations_user)
    ready(page, "/parcels/")
    page.keyboard.press("u")
    page.get_by_label("CSV file").set_input_files(
        {"name": "numbers.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    page.get_by_label("These parcels have left").check()
    page.get_by_role("button", name="Look at it").click()
    expect(page.locator("#rows")).to_contain_text("There is no order nobody.")
    assert not Package.objects.exists()
    page.locator("#file-go-on").click()
    page.wait_for_url("**/jobs/*/")
    assert not Package.objects.exists()
    start = page.get_by_role("button", name="Enter tracking numbers of 3")
    start.click()
    expect(start).to_have_count(0)
    pk = int(page.url.rstrip("/").rsplit("/", 1)[1])
    while jobs.run_chunk(pk):
        pass
    assert Label.objects.filter(state="bought").count() == 3
    assert all(fresh(order).fulfilment == Order.Fulfilment.SHIPPED for order in orders)


def test_an_auditor_sees_parcels_and_no_button(
    channel: Channel, page: Page, sign_in: SignIn, auditor_user: User
) -> None:
    order = a_paid_order(channel)
    pack_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    shipped = a_paid_order(channel)
    ship_order(shipped.pk, actor=HOUSE)
    sign_in(page, auditor_user)
    ready(page, f"/orders/{order.number}/")
    expect(page.locator("#parcels")).to_contain_text(f"{order.number}-P1")
    for name in ("Label…", "Pack a parcel…", "Pick", "Send from elsewhere…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
