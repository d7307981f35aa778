"""What lets prices go lower or move further takes two people of finance; PostgreSQL sees to it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry, Notice, User
from backoffice.money import Money
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.price_guards import PriceGuardChange
from orders.models.prices import PriceFloor
from orders.services.errors import OrderError
from orders.services.price_floors import set_floor
from orders.services.price_guards import agree_to_looser, ask_lower_floor, keep_as_tight
from orders.services.rates import edit_price_guard
from tests.attacks.test_two_people import given
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser, give_roles, signed_in
from tests.inventory.factories import make_sku
from tests.orders.factories import make_channel

pytestmark = pytest.mark.usefixtures("any_db")
HTMX = {"HX-Request": "true"}
SURE = {"csrfmiddlewaretoken": "sent by every form"}


@pytest.fixture
def shop(any_db: None) -> Channel:
    return make_channel()


@pytest.fixture
def tea(any_db: None) -> Sku:
    """A product that costs us 8.00."""
    return make_sku("TEA", cost=Money(Decimal(8), "GBP"))


@pytest.fixture
def two(make_user: MakeUser) -> tuple[User, User]:
    return make_user("finance", username="one"), make_user("finance", username="two")


def least(sku: Sku) -> list[Decimal | None]:
    return list(PriceFloor.objects.filter(sku=sku).order_by("pk").values_list("amount", flat=True))


def lower(shop: Channel, sku: Sku, amount: str | None, by: User) -> PriceGuardChange:
    """A floor that waits for another."""
    wanted = None if amount is None else Decimal(amount)
    asked = set_floor(shop, sku.pk, wanted, why="Clearance", actor=person(by))
    assert asked is not None
    return asked


def wider(shop: Channel, by: User, percent: int = 60) -> PriceGuardChange:
    edit_price_guard(
        shop.pk, price_variance=percent, prices_from=None, why="Volatile", actor=person(by)
    )
    return PriceGuardChange.objects.get(state="waiting", sku=None)


def insert_floor(shop: Channel, sku: Sku, amount: str | None) -> None:
    """Write a floor past the services, as the application's database role."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_pricefloor (channel_id, sku_id, currency, amount, why, actor_kind,"
            " actor_label) VALUES (%s, %s, 'GBP', %s, 'x', 'person', 'x')",
            [shop.pk, sku.pk, amount],
        )


@pytest.mark.requirement("R84")
def test_a_higher_floor_holds_at_once_and_a_lower_one_when_another_agrees(
    shop: Channel, tea: Sku, two: tuple[User, User]
) -> None:
    one, other = two
    assert set_floor(shop, tea.pk, Decimal("9.00"), why="Brand", actor=person(one)) is None
    assert set_floor(shop, tea.pk, Decimal("9.50"), why="Brand", actor=person(one)) is None
    asked = lower(shop, tea, "9.00", one)
    assert least(tea) == [9, Decimal("9.5")]
    with pytest.raises(OrderError, match="someone else"):
        agree_to_looser(asked.pk, actor=person(one))
    agree_to_looser(asked.pk, actor=person(other))
    assert least(tea) == [9, Decimal("9.5"), 9]
    assert PriceFloor.objects.latest("pk").actor_label == str(one)
    with pytest.raises(OrderError, match="Nobody waits"):
        agree_to_looser(asked.pk, actor=person(other))
    verbs = AuditEntry.objects.filter(subject="inventory.sku", subject_id=tea.pk).order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "orders.price_floor_set",
        "orders.price_floor_set",
        "orders.price_guard_asked",
        "orders.price_guard_loosened",
    ]


LOOSER = [(None, "7.99"), (None, "0"), ("12.00", "11.99"), ("12.00", None), ("6.00", None)]
TIGHTER = [(None, "8.00"), (None, "8.01"), (None, None), ("12.00", "12.00"), ("12.00", "13.00")]


@pytest.mark.parametrize(("before", "after"), LOOSER)
def test_a_shell_sets_no_lower_floor(
    before: str | None, after: str | None, shop: Channel, tea: Sku, two: tuple[User, User]
) -> None:
    if before == "6.00":  # below the cost, which two agreed to: it is a floor all the same
        agree_to_looser(lower(shop, tea, before, two[0]).pk, actor=person(two[1]))
    elif before is not None:
        insert_floor(shop, tea, before)
    known = least(tea)
    with pytest.raises(DatabaseError, match="two people of finance"), transaction.atomic():
        insert_floor(shop, tea, after)
    assert least(tea) == known
    lower(shop, tea, after, two[0])


@pytest.mark.parametrize(("before", "after"), TIGHTER)
def test_what_is_no_lower_takes_one(
    before: str | None, after: str | None, shop: Channel, tea: Sku, two: tuple[User, User]
) -> None:
    if before is not None:
        insert_floor(shop, tea, before)
    wanted = None if after is None else Decimal(after)
    assert set_floor(shop, tea.pk, wanted, why="x", actor=person(two[0])) is None
    with pytest.raises(OrderError, match="needs nobody else"), transaction.atomic():
        ask_lower_floor(shop, tea, wanted, why="x", actor=person(two[0]))


@pytest.mark.requirement("R84")
def test_prices_may_move_less_at_once_and_further_when_another_agrees(
    shop: Channel, two: tuple[User, User]
) -> None:
    one, other = two
    edit_price_guard(shop.pk, price_variance=20, prices_from=None, actor=person(one))
    asked = wider(shop, one, 60)
    shop.refresh_from_db()
    assert shop.price_variance == 20
    for tries in (
        partial(Channel.objects.filter(pk=shop.pk).update, price_variance=21),
        partial(PriceGuardChange.objects.filter(pk=asked.pk).update, state="agreed"),
        PriceGuardChange.objects.all().delete,
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            tries()
    with pytest.raises(OrderError, match="someone else"):
        agree_to_looser(asked.pk, actor=person(one))
    agree_to_looser(asked.pk, actor=person(other))
    shop.refresh_from_db()
    assert shop.price_variance == 60
    assert shop.history.latest("history_id").price_variance == 60


def test_a_channel_does_not_begin_with_prices_that_move_at_will(shop: Channel) -> None:
    fields = {
        "name": "Other", "kind": "shop", "currency": "GBP", "price_variance": 31,
        "legal_entity": shop.legal_entity, "location": shop.location,
    }  # fmt: skip
    with pytest.raises(DatabaseError, match="two people of finance"), transaction.atomic():
        Channel.objects.create(key="other", **fields)
    Channel.objects.create(key="other", **{**fields, "price_variance": 30})


def test_only_finance_asks_and_agrees_and_nobody_to_whom_who_asked_gave_a_role(
    shop: Channel, tea: Sku, administrator_user: User, make_user: MakeUser, operations_user: User
) -> None:
    for actor in (person(operations_user), HOUSE):
        with pytest.raises(OrderError, match="Finance decides"):
            set_floor(shop, tea.pk, Decimal(1), why="x", actor=actor)
    second = given(make_user, "finance", by=administrator_user)
    give_roles(administrator_user, "finance")
    asked = lower(shop, tea, "1.00", administrator_user)
    with pytest.raises(OrderError, match="through the other"):
        agree_to_looser(asked.pk, actor=person(second))
    assert not Notice.objects.filter(user=second, key=f"looser:{asked.pk}").exists()
    back = lower(shop, tea, "2.00", second)
    with pytest.raises(OrderError, match="through the other"):
        agree_to_looser(back.pk, actor=person(administrator_user))
    with pytest.raises(OrderError, match="Another one of finance"):
        agree_to_looser(back.pk, actor=person(operations_user))
    agree_to_looser(back.pk, actor=person(make_user("finance")))
    assert least(tea) == [2]


def test_what_was_set_meanwhile_ends_what_was_asked(
    shop: Channel, tea: Sku, two: tuple[User, User]
) -> None:
    one, other = two
    asked = lower(shop, tea, "7.00", one)
    set_floor(shop, tea.pk, Decimal(9), why="Brand", actor=person(other))
    with pytest.raises(OrderError, match="Nobody waits"):
        agree_to_looser(asked.pk, actor=person(other))
    asked = wider(shop, one)
    edit_price_guard(shop.pk, price_variance=10, prices_from=None, actor=person(other))
    with pytest.raises(OrderError, match="Nobody waits"):
        agree_to_looser(asked.pk, actor=person(other))
    assert least(tea) == [9]


def test_a_floor_holds_by_when_it_was_let_through_whatever_its_number(
    shop: Channel, tea: Sku
) -> None:
    """An id is taken before the product is locked: by it, the earlier of two could hold."""
    insert_floor(shop, tea, "8.50")
    early = PriceFloor.objects.get().pk
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_pricefloor (id, channel_id, sku_id, currency, amount, why,"
            " actor_kind, actor_label) VALUES (%s, %s, %s, 'GBP', 9, 'x', 'person', 'x')",
            [early - 1, shop.pk, tea.pk],
        )
    assert least(tea) == [Decimal("8.5"), 9]
    with pytest.raises(DatabaseError, match="two people of finance"), transaction.atomic():
        insert_floor(shop, tea, "8.50")


def test_a_cost_that_rose_since_asks_for_another_look(
    shop: Channel, tea: Sku, two: tuple[User, User]
) -> None:
    asked = lower(shop, tea, "7.00", two[0])
    Sku.objects.filter(pk=tea.pk).update(unit_cost=Decimal(20))
    with pytest.raises(OrderError, match="changed since"):
        agree_to_looser(asked.pk, actor=person(two[1]))
    keep_as_tight(asked.pk, actor=person(two[0]))
    asked.refresh_from_db()
    assert (asked.state, least(tea)) == ("kept", [])


def test_of_fifty_who_agree_and_tighten_at_once_nothing_is_looser_than_two_agreed_to(
    committed_db: Database, make_user: MakeUser
) -> None:
    shop, tea = make_channel(), make_sku("TEA", cost=Money(Decimal(8), "GBP"))
    one, other = make_user("finance"), make_user("finance")
    asked = lower(shop, tea, "5.00", one)
    works: list[Callable[[], object]] = [
        partial(insert_floor, shop, tea, amount) for amount in ("9.00", "4.00", "8.50")
    ]
    works = works * 8 + [partial(agree_to_looser, asked.pk, actor=person(other))] * 26
    answers = at_once(works)
    assert [each for each in answers if isinstance(each, PriceGuardChange)] in ([], [asked])
    assert 4 not in least(tea)
    found = least(tea)
    for before, after in pairwise(found):
        assert before is not None
        assert after is not None
        assert after >= before or after == 5
    connection.close()


# --- on screen ----------------------------------------------------------------------------------


def test_the_page_of_a_product_asks_another_of_finance_who_agrees_there(
    shop: Channel, tea: Sku, two: tuple[User, User], operations_client: Client
) -> None:
    one, other = signed_in(two[0]), signed_in(two[1])
    address = f"/prices/TEA/_/{shop.key}/floor/"
    values = {"amount": "7.00", "why": "Clearance"}
    assert one.post(address, values, headers=HTMX).status_code in (204, 302)
    asked = PriceGuardChange.objects.get()
    told = Notice.objects.get(user=two[1])
    assert (told.link, told.read_at) == ("/prices/TEA/", None)
    agree = f"/prices/_/looser/{asked.pk}/agree/"
    for client, sees in ((one, False), (other, True), (operations_client, False)):
        page = client.get("/prices/TEA/").content.decode()
        assert "a lower floor waits" in page
        assert (agree in page) is sees
    assert "Clearance" in other.get(agree, headers=HTMX).content.decode()
    refused = one.post(agree, SURE, headers=HTMX)
    assert (refused.status_code, "someone else" in refused.content.decode()) == (422, True)
    assert operations_client.post(agree, SURE, headers=HTMX).status_code == 403
    assert other.post(agree, SURE, headers=HTMX).status_code in (204, 302)
    assert least(tea) == [7]
    told.refresh_from_db()
    assert told.over_at is not None
    assert "waits" not in other.get("/prices/TEA/").content.decode()


def test_the_page_of_a_channel_asks_why_prices_should_move_further_and_lets_another_leave_it(
    shop: Channel, two: tuple[User, User]
) -> None:
    one, other = signed_in(two[0]), signed_in(two[1])
    address = f"/settings/channels/{shop.key}/_/prices/"
    refused = one.post(address, {"price_variance": 60}, headers=HTMX)
    assert (refused.status_code, "Say why" in refused.content.decode()) == (422, True)
    said = one.post(address, {"price_variance": 60, "why": "Volatile"}, headers=HTMX)
    assert said.status_code in (204, 302)
    asked = PriceGuardChange.objects.get()
    page = other.get(f"/settings/channels/{shop.key}/").content.decode()
    assert f"/prices/_/looser/{asked.pk}/agree/" in page
    assert "Volatile" in page
    assert other.post(f"/prices/_/looser/{asked.pk}/keep/", SURE, headers=HTMX).status_code in (
        204,
        302,
    )
    shop.refresh_from_db()
    asked.refresh_from_db()
    assert (asked.state, shop.price_variance) == ("kept", 30)
