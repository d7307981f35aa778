"""Parcels of value leave insured, or because two people said that they go without."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry, User
from backoffice.versions import StaleVersion
from orders.models.covers import PackageCover
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.models.shipments import Shipment
from orders.services.cover import (
    Insurance,
    agree_uninsured,
    ask_uninsured,
    edit_insurance,
    insure_package,
)
from orders.services.errors import OrderError, ParcelTrouble, WrongState
from orders.services.packing import hand_over, pack_order
from orders.services.shipping import ship_order
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.orders.factories import fresh
from tests.orders.parcels import buy, paid, service


def valued(least: str = "1.00") -> Package:
    """A packed parcel of a channel that insures from so much on."""
    order = paid()
    edit_insurance(order.channel_id, Decimal(least), version=None, actor=HOUSE)
    return pack_order(order.pk, actor=HOUSE)


def again(package: Package) -> Package:
    return Package.objects.select_related("order__channel").get(pk=package.pk)


def shell(statement: str) -> None:
    """As somebody with SQL and the application's role."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db
@pytest.mark.requirement("R77")
def test_a_parcel_of_value_gets_no_label_before_it_is_insured_in_the_browser(
    operations_client: Client,
) -> None:
    order = paid()
    channel = f"/settings/channels/{order.channel.key}/"
    operations_client.post(f"{channel}_/insurance/?version=1", {"least": "1.00"})
    assert "from £1.00 of declared value on" in operations_client.get(channel).content.decode()
    package = pack_order(order.pk, actor=HOUSE)
    page = f"/orders/{order.number}/"
    assert "to be insured: £1.00 or more" in operations_client.get(page).content.decode()
    label = {"service": service().pk, "tracking": "JD77", "key": "a", "cost": ""}
    said = operations_client.post(f"/parcels/{package.number}/_/label/", label)
    assert "it must be insured, or two people agree" in said.content.decode()
    assert package.number in operations_client.get("/parcels/?cover=yes").content.decode()
    insurance = {"insurer": "Parcelsure", "amount": "0.50", "policy": "PS-1", "cost": "2.10"}
    said = operations_client.post(f"/parcels/{package.number}/_/insure/", insurance)
    assert "insure it for that, or for more" in said.content.decode()
    worth = package.declared.plain()
    operations_client.post(f"/parcels/{package.number}/_/insure/", insurance | {"amount": worth})
    shown = operations_client.get(page).content.decode()
    assert f"insured for {package.declared} with Parcelsure (PS-1)" in shown
    assert package.number not in operations_client.get("/parcels/?cover=yes").content.decode()
    operations_client.post(f"/parcels/{package.number}/_/label/", label)
    assert Label.objects.get().tracking == "JD77"
    operations_client.post(f"/parcels/{package.number}/_/leave/", {"go": "1"})
    assert again(package).shipment_id is not None


@pytest.mark.django_db
@pytest.mark.requirement("R77")
def test_it_goes_uninsured_only_when_a_second_person_agrees(
    operations_client: Client, operations_user: User, finance_client: Client
) -> None:
    package = valued()
    address = f"/parcels/{package.number}/_"
    operations_client.post(f"{address}/uninsured/", {"why": "The insurer takes no swords."})
    with pytest.raises(ParcelTrouble, match="somebody other than"):
        buy(package)
    version = again(package).version
    said = operations_client.post(f"{address}/agree/?version={version}", {"go": "1"})
    assert "somebody else has to agree" in said.content.decode()
    page = finance_client.get(f"/orders/{package.order.number}/").content.decode()
    assert f"{address}/agree/?version={version}" in page
    mine = operations_client.get(f"/orders/{package.order.number}/").content.decode()
    assert "/agree/" not in mine
    asked = finance_client.get(f"{address}/agree/?version={version}").content.decode()
    assert f"{operations_user} asks: The insurer takes no swords." in asked
    finance_client.post(f"{address}/agree/?version={version}", {"go": "1"})
    buy(package)
    hand_over(package.pk, actor=HOUSE)
    told = AuditEntry.objects.get(verb="orders.uninsured_agreed")
    assert told.detail["why"] == "The insurer takes no swords."
    page = finance_client.get(f"/orders/{package.order.number}/").content.decode()
    assert f"goes uninsured, as {operations_user} asked and" in page


@pytest.mark.django_db
def test_whoever_may_not_agree_or_looked_at_something_else_is_refused(
    operations_user: User, finance_user: User, support_user: User, support_client: Client
) -> None:
    package = valued()
    ask_uninsured(package.pk, "Light.", actor=person(operations_user))
    seen = again(package).version
    ask_uninsured(package.pk, "Heavy.", actor=person(operations_user))
    with pytest.raises(StaleVersion):
        agree_uninsured(package.pk, version=seen, actor=person(finance_user))
    assert support_client.get(f"/parcels/{package.number}/_/agree/").status_code == 403
    agree_uninsured(package.pk, actor=person(finance_user))
    ask_uninsured(package.pk, "Something else.", actor=person(operations_user))
    assert PackageCover.objects.get().agreed_by is None
    insure_package(package.pk, Insurance("Parcelsure"), actor=HOUSE)
    with pytest.raises(OrderError, match="Nobody asks any more"):
        agree_uninsured(package.pk, actor=person(finance_user))
    ask_uninsured(package.pk, "Light.", actor=person(operations_user))
    with pytest.raises(OrderError, match="operations or finance"):
        agree_uninsured(package.pk, actor=person(support_user))
    for why, actor in (("  ", person(operations_user)), ("x", HOUSE)):
        with pytest.raises(OrderError):
            ask_uninsured(package.pk, why, actor=actor)


@pytest.mark.django_db
def test_what_is_worth_less_or_is_collected_or_of_a_channel_without_a_limit_needs_none() -> None:
    cheap = valued("100000.00")
    assert buy(cheap).tracking
    edit_insurance(cheap.order.channel_id, None, version=None, actor=HOUSE)
    assert buy(pack_order(paid().pk, actor=HOUSE), "JD02", "two").tracking
    for wrong in (Decimal(0), Decimal(-1)):
        with pytest.raises(OrderError, match="above zero"):
            edit_insurance(cheap.order.channel_id, wrong, version=None, actor=HOUSE)


@pytest.mark.django_db
def test_goods_of_value_do_not_leave_around_a_parcel(operations_user: User) -> None:
    order = paid()
    edit_insurance(order.channel_id, Decimal(1), version=None, actor=HOUSE)
    with pytest.raises(OrderError, match="Pack one first"):
        ship_order(order.pk, actor=HOUSE)
    assert not Shipment.objects.exists()
    package = pack_order(order.pk, actor=HOUSE)
    insure_package(package.pk, Insurance("Parcelsure"), actor=HOUSE)
    buy(package)
    insure_package(package.pk, Insurance("Cheaper"), actor=HOUSE)
    with pytest.raises(WrongState, match="Void that first"):
        ask_uninsured(package.pk, "Dear.", actor=person(operations_user))
    edit_insurance(order.channel_id, None, version=None, actor=HOUSE)
    other = pack_order(paid(code="OTHER").pk, actor=HOUSE)
    buy(other, "JD03", "three")
    edit_insurance(order.channel_id, Decimal(1), version=None, actor=HOUSE)
    with pytest.raises(ParcelTrouble, match="must be insured"):
        hand_over(other.pk, actor=HOUSE)
    insure_package(other.pk, Insurance("Parcelsure"), actor=HOUSE)
    hand_over(other.pk, actor=HOUSE)
    hand_over(package.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED


@pytest.mark.requirement("R77")
@pytest.mark.django_db
def test_goods_of_value_are_not_declared_below_what_must_be_insured(
    operations_client: Client,
) -> None:
    order = paid()
    edit_insurance(order.channel_id, Decimal(1), version=None, actor=HOUSE)
    address = f"/orders/{order.number}/_/pack/?version={fresh(order).version}"
    said = operations_client.post(address, {"declared": "0.01"})
    assert "declare at least £1.00" in said.content.decode()
    assert not Package.objects.exists()
    with pytest.raises(IntegrityError, match="declared below"):
        shell(
            "WITH made AS (INSERT INTO orders_package (number, order_id, declared_value, currency,"
            " needs_customs, state, trouble, trouble_note, version) SELECT 'P', id, 0.01, 'GBP',"
            " false, 'packed', '', '', 1 FROM orders_order RETURNING id) INSERT INTO"
            " orders_packageline (package_id, order_line_id, quantity, hs_code, origin)"
            " SELECT made.id, l.id, 1, '', '' FROM made, orders_orderline l"
        )


@pytest.mark.django_db
def test_postgresql_lets_nobody_send_or_agree_alone(
    operations_user: User, finance_user: User
) -> None:
    package = valued()
    with pytest.raises(IntegrityError, match="neither insured nor agreed"), transaction.atomic():
        Label.objects.create(
            package=package, service=service(), key="shell", carrier="x", tracking="1",
            state="bought", actor_label="x",
        )  # fmt: skip
    with pytest.raises(IntegrityError, match="neither insured nor agreed"):
        shell(
            "WITH left_ AS (INSERT INTO orders_shipment "
            "(order_id, key, carrier, tracking, shipped_at) "
            "SELECT order_id, 'shell', '', '', now() FROM orders_package RETURNING id) "
            "UPDATE orders_package SET shipment_id = left_.id FROM left_"
        )
    with pytest.raises(IntegrityError, match="declared at stands"):
        shell("UPDATE orders_package SET declared_value = 0")
    now = timezone.now()
    mine = {"asked_by": operations_user, "asked_label": "x", "why": "x", "kind": "uninsured"}
    with pytest.raises(IntegrityError, match="Nobody has agreed"), transaction.atomic():
        PackageCover.objects.create(package=package, agreed_by=finance_user, agreed_at=now, **mine)
    cover = ask_uninsured(package.pk, "x", actor=person(operations_user))
    for forged in (
        "UPDATE orders_packagecover SET agreed_by_id = asked_by_id, agreed_at = now()",
        f"UPDATE orders_packagecover SET agreed_by_id = {finance_user.pk}, agreed_at = now()",
    ):
        with pytest.raises(IntegrityError, match="agreed by orders_agree_uninsured"):
            shell(forged)
    for nan in (
        "UPDATE orders_packagecover SET kind = 'insured', amount = 'NaN', insurer = 'x'",
        "UPDATE orders_channel SET insure_from = 'NaN'",
    ):
        with pytest.raises(IntegrityError, match=r"says_what|insure_from"):
            shell(nan)
    agree_uninsured(package.pk, actor=person(finance_user))
    with pytest.raises(IntegrityError, match="Nobody agreed to this"):
        shell("UPDATE orders_packagecover SET why = 'Something else.'")
    buy(package)
    for forged in (
        "UPDATE orders_packagecover SET agreed_by_id = NULL, agreed_at = NULL",
        "DELETE FROM orders_packagecover",
    ):
        with pytest.raises(IntegrityError, match=r"stands|is kept"):
            shell(forged)
    assert PackageCover.objects.get(pk=cover.pk).agreed_by == finance_user


def test_fifty_who_insure_ask_agree_and_label_at_once_never_send_it_uncovered(
    committed_db: Database, make_user: MakeUser
) -> None:
    package, _ = valued(), service()
    agrees = make_user("finance")
    one, other = person(make_user("operations")), person(agrees)
    acts = [
        lambda: ask_uninsured(package.pk, "x", actor=one),
        lambda: agree_uninsured(package.pk, actor=other),
        lambda: agree_uninsured(package.pk, actor=one),
        lambda: insure_package(package.pk, Insurance("Parcelsure"), actor=HOUSE),
        lambda: buy(package),
    ]
    answers = at_once([acts[n % len(acts)] for n in range(50)])
    strange = [
        each for each in answers if isinstance(each, Exception) and not isinstance(each, OrderError)
    ]
    assert strange == []
    cover = PackageCover.objects.filter(package=package).first()
    if Label.objects.filter(state="bought").exists():
        assert cover is not None
        assert cover.amount or cover.agreed_by_id == agrees.pk
