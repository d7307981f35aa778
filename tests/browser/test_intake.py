"""Webhooks in, as an administrator sees them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from automations.models.failures import Failure
from automations.models.intake import Delivery, IntakeSource
from backoffice.models import User
from orders.models.carts import Cart
from tests.bed.browsers import CheckAxe, OpenPage, SignIn
from tests.intake import factories as hooks
from tests.intake import test_carts_told as carts
from tests.intake import test_market_told as market
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place

SHOTS = os.environ.get("SHOTS", "")


def ready(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


def busy_sources() -> tuple[IntakeSource, IntakeSource]:
    """A carrier that is heard, of which one message can't be read; a portal that has no mapping."""
    order = place(line(make_sku("A1", stock=9)))
    carrier, portal = hooks.source(name="Carrier tracking"), hooks.source(name="Returns portal")
    hooks.read(carrier, hooks.PARCEL, feed="orders.parcel_reported")
    for number, status in enumerate(("in_transit", "delivered", "exploded"), 1):
        data = {"order": order.number, "status": status, "tracking": f"T{number}"}
        told = hooks.message(f"msg_{number}", "tracker.updated", **data)
        hooks.send(carrier, told, own_id=f"msg_{number}")
    hooks.send(portal, hooks.message("msg_9", "return.inspected"), own_id="msg_9")
    hooks.take_all()
    return carrier, portal


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_screens_of_webhooks(
    scheme: Any, administrator_user: User, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    for name, address in (("no-inbox", "/intake/"), ("no-sources", "/intake/sources/")):
        ready(page, address)
        check_axe(page)
        shot(page, f"{scheme}-{name}")
    carrier, portal = busy_sources()
    held = Delivery.objects.get(state=Delivery.State.QUARANTINED, source=carrier)
    taken = Delivery.objects.filter(state=Delivery.State.TAKEN)[0]
    feed = f"/intake/sources/{carrier.key}/feeds/orders.parcel_reported/"
    for name, address in (
        ("inbox", "/intake/"),
        ("sources", "/intake/sources/"),
        ("held", f"/intake/{held.pk}/"),
        ("taken", f"/intake/{taken.pk}/"),
        ("source", f"/intake/sources/{carrier.key}/"),
        ("portal", f"/intake/sources/{portal.key}/"),
        ("mapping", feed),
        ("case", f"/failures/{Failure.objects.order_by('pk')[0].pk}/"),
    ):
        ready(page, address)
        check_axe(page)
        shot(page, f"{scheme}-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_list_is_mapped_and_on_what_it_gave(
    scheme: Any, administrator_user: User, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    source = carts.shop()
    hooks.read(source, carts.TOLD, topic="cart.changed", feed=carts.FEED)
    for own_id, minutes, agreed in (("new", 30, True), ("old", 50, True), ("odd", 20, "maybe")):
        told = carts.message(own_id, minutes, agreed=agreed)
        hooks.send(source, {**told, "type": "cart.changed"}, own_id=own_id)
    hooks.take_all()
    fair = market.fair()
    market.there()
    market.hear(fair, "odd", "PartlyShipped", carts.ago(9))
    hooks.take_all()
    held, old = Delivery.objects.get(source=fair), Delivery.objects.get(external_id="old")
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    where = f"/intake/sources/{source.key}/feeds/{carts.FEED}/?topic=cart.changed"
    for name, address in (
        ("list-mapping", where),
        ("list-inbox", "/intake/"),
        ("list-overtaken", f"/intake/{old.pk}/"),
        ("list-held", f"/intake/{held.pk}/"),
        ("list-cases", "/failures/"),
        ("list-cart", f"/carts/{Cart.objects.get().number}/"),
    ):
        ready(page, address)
        check_axe(page)
        shot(page, f"{scheme}-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_dialogs_of_webhooks(
    scheme: Any, administrator_user: User, open_page: OpenPage, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    carrier, _ = busy_sources()
    held = Delivery.objects.get(state=Delivery.State.QUARANTINED, source=carrier)
    page = open_page(color_scheme=scheme)
    sign_in(page, administrator_user)
    for address in ("/intake/sources/", f"/intake/sources/{carrier.key}/", f"/intake/{held.pk}/"):
        ready(page, address)
        opens = page.locator('main button[hx-target="#dialog"]:visible')
        for number in range(opens.count()):
            opens.nth(number).click()
            expect(page.locator("#dialog form")).to_be_visible()
            page.wait_for_load_state("networkidle")
            check_axe(page)
            shot(page, f"{scheme}-dialog-{address.strip('/').replace('/', '-')}-{number}")
            page.keyboard.press("Escape")
            expect(page.locator("#dialog")).to_be_hidden()
