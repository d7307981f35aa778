from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from backoffice.models import LegalEntity, TimelineEntry
from backoffice.sets import FEW, Stencil, insert_many, save_many
from orders.models.orders import Order

pytestmark = pytest.mark.django_db
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def entry(text: str) -> TimelineEntry:
    return Stencil(TimelineEntry).row(
        subject="test.thing",
        subject_id=1,
        at=AT,
        text=text,
        actor_kind="system",
        actor_label='tab\tquote"backslash\\newline\n',
    )


@pytest.mark.parametrize("count", [1, FEW, 5 * FEW])
def test_rows_arrive_as_they_were_and_know_their_keys(count: int) -> None:
    rows = insert_many([entry(f"ünï {number}") for number in range(count)])
    stored = TimelineEntry.objects.in_bulk([row.pk for row in rows])
    assert len(stored) == count
    for row in rows:
        known = stored[row.pk]
        assert (known.text, known.at, known.actor_label) == (row.text, AT, row.actor_label)
        assert (known.link, known.rule_id) == ("", None)


def test_constraints_hold_and_are_told_as_django_tells_them() -> None:
    rows = [
        LegalEntity(name="One", country="GB", currency="GBP", time_zone="UTC") for _ in range(FEW)
    ]
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_many(rows)
    assert not LegalEntity.objects.exists()


def test_nothing_is_no_query() -> None:
    with CaptureQueriesContext(connection) as captured:
        insert_many([])
        save_many([], ["name"])
    assert len(captured) == 0


def test_many_rows_are_saved_in_one_statement() -> None:
    entities = [
        LegalEntity.objects.create(name=str(number), country="GB", currency="GBP", time_zone="UTC")
        for number in range(30)
    ]
    for entity in entities:
        entity.country, entity.name = "FR", f"renamed {entity.pk}"
    with CaptureQueriesContext(connection) as captured:
        save_many(entities, ["country"])
    assert len(captured) == 1
    assert set(LegalEntity.objects.values_list("country", flat=True)) == {"FR"}
    assert not LegalEntity.objects.filter(name__startswith="renamed").exists()


def test_what_unnest_would_break_is_refused() -> None:
    with pytest.raises(TypeError):
        save_many([Order(pk=1)], ["tags"])
    with pytest.raises(TypeError):
        Stencil(Order)
