"""One person who was two records: proposed, merged, taken apart again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice, pairwise
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import AuditEntry, User
from backoffice.versions import StaleVersion
from orders.models.customers import Customer, CustomerMerge
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.queries.customers import proposals
from orders.services.customers import NewCustomer, add_customers, tag_customers
from orders.services.errors import NotMerged
from orders.services.figures import lock_customers
from orders.services.merging import keep_apart, merge_customers, undo_merge
from orders.services.placing import place_orders
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, fresh, line, make_channel, pay, place
from tests.orders.trust import make_company

KEPT = (
    "name", "email", "phone", "postcode", "country", "company", "vat_id", "kind", "has_login",
    "tags", "orders_count", "lifetime_spend", "last_order_at", "orders_returned", "merged_into_id",
)  # fmt: skip


def make(number: str, **fields: Any) -> Customer:
    fields = {"name": "Grace Holloway", "email": "grace@example.com", "country": "GB", **fields}
    return add_customers([NewCustomer(number, **fields)])[number]


def state(*customers: Customer) -> list[tuple[Any, ...]]:
    rows = [Customer.objects.get(pk=each.pk) for each in customers]
    return [tuple(getattr(row, name) for name in KEPT) for row in rows]


def pairs() -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.one.number, each.other.number, each.reasons) for each in proposals()]


@pytest.mark.requirement("R85")
@pytest.mark.django_db
def test_the_same_mail_telephone_or_name_and_postcode_are_proposed() -> None:
    make("1", email="Grace+shop@Example.com", has_login=True)
    make("2", email="grace@example.com", name="G. H.")
    make("3", email="", phone="01225 460000", name="Ann Other")
    make("4", email="", phone="+44 1225 460000", name="Somebody Else")
    make("5", email="", name="Per Öberg", postcode="111 22")
    make("6", email="", name="per öberg", postcode="11122")
    make("7", email="else@example.com", name="Nobody Alike", postcode="11122")
    assert sorted(pairs()) == [
        ("1", "2", ("same mail",)),
        ("3", "4", ("same telephone",)),
        ("5", "6", ("same name and postcode",)),
    ]
    one = next(each for each in proposals() if each.one.number == "1")
    assert "a guest and an account" in one.says


@pytest.mark.django_db
def test_two_who_were_kept_apart_are_not_proposed_again() -> None:
    one, two = make("1"), make("2")
    keep_apart(two.pk, one.pk, actor=HOUSE)
    keep_apart(one.pk, two.pk, actor=HOUSE)
    assert pairs() == []


@pytest.mark.requirement("R85")
@pytest.mark.django_db
def test_a_merge_moves_everything_and_taking_it_back_restores_exactly_that() -> None:
    sku = make_sku(stock=50)
    guest, account = make("1", phone="01225 460000"), make("2", name="G Holloway", has_login=True)
    tag_customers({guest.pk: ["gift"], account.pk: ["trade"]}, actor=HOUSE)
    theirs = [pay(place(line(sku, 1, "10.00"), customer_id=guest.pk)) for _ in range(3)]
    own = pay(place(line(sku, 1, "99.00"), customer_id=account.pk))
    before = state(guest, account)
    merge = merge_customers(account.pk, guest.pk, take={"name": True}, actor=HOUSE)
    survivor = Customer.objects.get(pk=account.pk)
    assert (survivor.name, survivor.phone, survivor.tags) == (
        "Grace Holloway", "+441225460000", ["gift", "trade"],
    )  # fmt: skip
    assert (survivor.orders_count, int(survivor.lifetime_spend)) == (4, 129)
    assert set(Order.objects.values_list("customer_id", flat=True)) == {account.pk}
    assert Customer.objects.live().filter(mail_key="grace@example.com").count() == 1
    later = place(line(sku, 1, "5.00"), customer_id=guest.pk)  # a shop that still says the guest
    assert fresh(later).customer_id == account.pk
    undone = undo_merge(merge.pk, actor=HOUSE)
    assert undone.stayed == [later.number]
    assert {fresh(each).customer_id for each in theirs} == {guest.pk}
    assert {fresh(each).customer_id for each in (own, later)} == {account.pk}
    after = state(guest, account)
    assert after[0] == before[0]
    tags_and_all = [
        i for i, name in enumerate(KEPT) if name not in ("orders_count", "last_order_at")
    ]
    assert [after[1][i] for i in tags_and_all] == [before[1][i] for i in tags_and_all]
    assert Customer.objects.get(pk=account.pk).orders_count == 2
    verbs = AuditEntry.objects.filter(subject="orders.customer").values_list("verb", flat=True)
    assert set(verbs) == {"orders.customers_merged", "orders.merge_undone"}


@pytest.mark.requirement("R85")
def test_fifty_people_merging_at_once_merge_once_and_lose_no_order(
    committed_db: Database,
) -> None:
    sku, channel = make_sku(stock=200), make_channel()
    one, two = make("1"), make("2")
    for _ in range(5):
        place(line(sku), customer_id=two.pk, channel=channel)
    works: list[Any] = [lambda: merge_customers(one.pk, two.pk, actor=HOUSE)] * 15
    works += [lambda: merge_customers(two.pk, one.pk, actor=HOUSE)] * 10
    works += [
        lambda: place_orders([draft(line(sku), customer_id=two.pk, channel=channel)], actor=HOUSE)
    ] * 25
    answers = at_once(works)
    merged = [each for each in answers if isinstance(each, CustomerMerge)]
    refused = [each for each in answers if isinstance(each, Exception)]
    assert len(merged) == 1
    assert all(isinstance(each, NotMerged) for each in refused), refused
    survivor = merged[0].survivor_id
    assert set(Order.objects.values_list("customer_id", flat=True)) == {survivor}
    assert Customer.objects.get(pk=survivor).orders_count == Order.objects.count() == 30
    undone = at_once([lambda: undo_merge(merged[0].pk, actor=HOUSE)] * 20)
    assert len([each for each in undone if not isinstance(each, Exception)]) == 1


def test_an_order_of_someone_who_is_merged_again_and_again_meanwhile_is_placed(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku, channel = make_sku(stock=5), make_channel()
    rows = [make(str(number)) for number in range(5)]
    merges = iter(list(pairwise(rows)))

    def merged_a_moment_before(ids: Iterable[int]) -> dict[int, Customer]:
        wanted = list(ids)
        for merged, survivor in islice(merges, 1):
            merge = partial(merge_customers, survivor.pk, merged.pk, actor=HOUSE)
            assert isinstance(at_once([merge])[0], CustomerMerge)
        return lock_customers(wanted)

    monkeypatch.setattr("orders.services.placing.lock_customers", merged_a_moment_before)
    placed = place_orders([draft(line(sku), customer_id=rows[0].pk, channel=channel)], actor=HOUSE)
    assert placed.orders[0].customer_id == rows[-1].pk
    assert Order.objects.count() == 1


@pytest.mark.django_db
def test_a_merge_of_what_somebody_changed_meanwhile_is_refused() -> None:
    one, two = make("1"), make("2")
    place(line(make_sku(stock=1)), customer_id=two.pk)
    with pytest.raises(StaleVersion):
        merge_customers(one.pk, two.pk, versions={two.pk: two.version}, actor=HOUSE)
    assert Customer.objects.live().count() == 2


@pytest.mark.django_db
def test_a_record_with_credit_is_not_merged_away() -> None:
    company, other = make_company(), make("2")
    with pytest.raises(NotMerged, match="has a credit account"):
        merge_customers(other.pk, company.pk, actor=HOUSE)
    assert Customer.objects.live().count() == 2
    merge_customers(company.pk, other.pk, actor=HOUSE)
    assert Customer.objects.live().get() == company


@pytest.mark.django_db
def test_merges_are_taken_apart_from_the_last_one_on() -> None:
    one, two, three = make("1"), make("2"), make("3")
    first = merge_customers(two.pk, three.pk, actor=HOUSE)
    merge_customers(one.pk, two.pk, actor=HOUSE)
    with pytest.raises(NotMerged, match="itself merged into 1"):
        undo_merge(first.pk, actor=HOUSE)
    assert CustomerMerge.objects.filter(undone_at=None).count() == 2
    with pytest.raises(NotMerged):
        merge_customers(one.pk, three.pk, actor=HOUSE)
    with pytest.raises(NotMerged):
        merge_customers(one.pk, one.pk, actor=HOUSE)


@pytest.mark.django_db
def test_postgresql_lets_nobody_lose_orders_or_write_on_who_is_merged() -> None:
    one, two = make("1"), make("2")
    order = place(line(make_sku(stock=1)), customer_id=two.pk)
    with pytest.raises(DatabaseError, match="still has orders"), transaction.atomic():
        Customer.objects.filter(pk=two.pk).update(merged_into=one)
    merge_customers(one.pk, two.pk, actor=HOUSE)
    with pytest.raises(DatabaseError, match="merged into another"), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(customer=two)
    assert ReturnOrder.objects.count() == 0
    assert fresh(order).customer_id == one.pk


@pytest.mark.requirement("R85")
@pytest.mark.django_db
def test_duplicates_are_looked_at_side_by_side_and_merged_in_the_browser(
    client: Client, support_user: User
) -> None:
    one, two = make("1", has_login=True), make("2", name="Grace H", postcode="BA1 2LX")
    client.force_login(support_user)
    listed = client.get("/customers/_/duplicates/").content.decode()
    assert "/customers/1/_/merge/2/" in listed
    page = client.get("/customers/1/_/merge/2/").content.decode()
    assert "Grace H" in page
    assert "is taken over" in page
    seen = {f"version-{each.pk}": str(each.version) for each in (one, two)}
    client.post("/customers/1/_/merge/2/", {**seen, "take-name": "other"})
    merged = Customer.objects.get(pk=one.pk)
    assert (merged.name, merged.postcode) == ("Grace H", "BA1 2LX")
    told = client.get("/customers/2/").content.decode()
    assert "stands for nobody any more" in told
    merge = CustomerMerge.objects.get()
    client.post(f"/customers/_/merges/{merge.pk}/undo/", {"sure": "yes"})
    assert Customer.objects.get(pk=one.pk).name == "Grace Holloway"


@pytest.mark.django_db
def test_who_may_only_read_merges_nobody(client: Client, auditor_user: User) -> None:
    make("1"), make("2")
    client.force_login(auditor_user)
    assert client.get("/customers/_/duplicates/").status_code == 200
    assert client.post("/customers/1/_/merge/2/").status_code == 403
    assert Customer.objects.live().count() == 2
