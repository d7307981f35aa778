"""Addresses and forms that no page makes: each is answered, none breaks anything."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from automations.models.rules import Draft
from backoffice.actors import person
from backoffice.models import BulkJob, Note, User
from backoffice.workbench import bench as benches
from backoffice.workbench.listing import Listing
from inventory.services.skus import NewSku, add_skus
from orders.models.orders import Order
from tests.attacks.routes import routes
from tests.automations import factories as rules
from tests.bed.people import MakeUser, signed_in
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place

pytestmark = pytest.mark.django_db

VALUES = [
    "", "'", "-1", "0", "²", "٣", "9" * 30, "9" * 5000, "NaN", "Infinity", "1e309", "\u202e", "%",
    "a" * 5000, "gte:", "gte:NaN", "gte:1e400", "gte:-0", "gte:9999-12-31", "lte:0001-01-01",
    "eq:9999-12-31", "last:9999d", "last:0d", "gte:99999d", "gte:2026-02-30", "gte:2026-W01-1",
    "pk", "-pk", "-", "--", "__class__", "../..", "\r\nX: y", "<script>", "{{7*7}}", "a,b,,c",
]  # fmt: skip
OWN = ("view", "q", "sort", "cols", "page", "sel")


def lists() -> list[str]:
    get_resolver().url_patterns  # noqa: B018 - the addresses register the lists
    return sorted(key for key in benches._benches if not key.startswith("test"))


@pytest.mark.parametrize("key", lists())
def test_a_list_answers_whatever_its_address_says(make_user: MakeUser, key: str) -> None:
    user = make_user("administrator", is_superuser=True)
    bench = benches.get(key)
    for name in (*OWN, *(filter_.key for filter_ in bench.filters)):
        for value in VALUES:
            listing = Listing(bench, user, {name: (value,)}, ["administrator"])
            assert listing.total >= 0
            assert listing.rows is not None
            assert listing.picked is None or listing.peek_url
            assert list(listing.chips) is not None
            assert list(listing.headings)


def test_the_parts_of_a_list_answer_too(administrator_user: User) -> None:
    administrator_user.is_superuser = True
    administrator_user.save()
    client = signed_in(administrator_user)
    for key in lists():
        url = benches.get(key).url
        for value in ("9" * 5000, "-1", "x", "٣", "\u202e"):
            for part in ("_/counts/", "_/export/", ""):
                answer: Any = client.get(url + part, {"mark": value, "sel": value, "sort": value})
                assert answer.status_code in (200, 404), (key, part, value)
                if answer.streaming:
                    b"".join(answer.streaming_content)


def test_a_null_character_is_refused_wherever_it_stands(operations_client: Client) -> None:
    sku = make_sku("MUG")
    rule = rules.make_rule()
    before = Draft.objects.get(rule=rule).body
    assert operations_client.get("/orders/", {"q": "a\0b"}).status_code == 400
    assert operations_client.get("/inventory/MU%00G/").status_code == 400
    assert operations_client.get("/inventory/MU%2500G/").status_code == 404
    assert operations_client.post("/login/", {"username": "a\0"}).status_code == 400
    url = reverse("rule_save", args=[rule.slug])
    answer = operations_client.post(url, {"revision": "1", "do": "add_step:\0"})
    assert answer.status_code == 400
    assert Draft.objects.get(rule=rule).body == before
    sku.refresh_from_db()
    assert sku.version == 1


@pytest.mark.parametrize("value", ["9" * 5000, "9" * 30, "-1", "x", "0", "x" * 3000, "\u202e", "é"])
def test_an_address_of_nothing_is_not_found(administrator_user: User, value: str) -> None:
    administrator_user.is_superuser = True
    administrator_user.save()
    client = signed_in(administrator_user)
    for route in routes():
        if not route.arguments or route.name == "rule_stop":
            continue
        url = "/" + _pattern(route.name)
        for name in route.arguments:
            url = url.replace(f"<{name}>", value)
        for method in (client.get, client.post):
            assert method(url).status_code < 500, (route.name, value)


def _pattern(name: str) -> str:
    (found,) = get_resolver().reverse_dict.getlist(name)[:1]
    template, arguments = found[0][0]
    return str(template) % {argument: f"<{argument}>" for argument in arguments}


@pytest.mark.parametrize(
    "ids", ["9" * 5000, "99999999999999999999", "-1", "1,,2", "x", "0", ",".join(["1"] * 9000)]
)
def test_a_bulk_action_on_nothing_does_nothing(operations_client: Client, ids: str) -> None:
    order = place(line(make_sku(stock=5)))
    url = "/orders/_/bulk/orders.hold/"
    sent = {"ids": ids, "_asked": "1", "reason": "fraud", "note": ""}
    assert operations_client.post(url, sent).status_code < 500
    for frozen in ("x", "9" * 5000, "00000000-0000-0000-0000-000000000000"):
        assert operations_client.post(url, {**sent, "frozen": frozen}).status_code == 404
    assert not BulkJob.objects.exists()
    assert Order.objects.get(pk=order.pk).is_held == (str(order.pk) in ids.split(","))


def test_a_version_that_is_none_stops_nothing_and_breaks_nothing(
    operations_client: Client,
) -> None:
    order = place(line(make_sku(stock=5)))
    url = reverse("order_hold", args=[order.number])
    for version in ("9" * 5000, "x", "-1", ""):
        answer = operations_client.get(f"{url}?version={version}")
        assert answer.status_code == 200
    stale = operations_client.post(f"{url}?version=999", {"reason": "fraud"})
    assert stale.status_code == 409
    assert not Order.objects.get(pk=order.pk).is_held


def test_a_note_is_about_a_record_that_is_there(operations_user: User) -> None:
    client = signed_in(operations_user)
    sku = add_skus([NewSku("MUG")], actor=person(operations_user))["MUG"]
    for pk in (sku.pk + 1, 10**30):
        answer = client.post(f"/timelines/inventory.sku/{pk}/notes/", {"text": "Where is it?"})
        assert answer.status_code == 404
    assert not Note.objects.exists()
    client.post(f"/timelines/inventory.sku/{sku.pk}/notes/", {"text": "Here."})
    assert Note.objects.get().subject_id == sku.pk
