"""What was written on cases of an erased customer goes with them; who did what, and when, stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.connectors import CallLog, ConnectorAccount
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure, FailureAction
from automations.models.rules import RULE_SPAN
from automations.models.runs import Run
from backoffice.actors import HOUSE
from backoffice.models import User
from orders.models.orders import Order
from orders.queries.erasure import preview
from orders.services.erasure import erase_customer
from orders.services.shipping import ship_order
from tests.automations import factories as engine
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, pay, place
from tests.orders.test_merging import make

pytestmark = pytest.mark.django_db
SAID = "Grace asked to leave it with Mrs Patel at number 9."


def an_order(number: str) -> Order:
    order = place(line(make_sku(stock=5), 1, "20.00"), customer_id=make(number).pk)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    return fresh(order)


def a_comment(order: Order, user: User) -> FailureAction:
    case = Failure.objects.create(
        kind="orders.tests", key=f"case:{order.pk}", error="domain", cause="c", cause_words="c",
        says="It waits.", subject="orders.order", subject_id=order.pk, due_at=timezone.now(),
    )  # fmt: skip
    change = {"address": {"from": "1 Mill Lane", "to": "2 Mill Lane"}}
    return FailureAction.objects.create(
        failure=case, user=user, verb="note", text=SAID, reference="Patel", changes=change
    )


def a_call(order: Order, user: User) -> CallLog:
    event = Event.objects.create(
        trigger="orders.order_shipped", subject="orders.order", subject_id=order.pk,
        subject_version=1, occurred_at=timezone.now(), payload_version=1,
    )  # fmt: skip
    rule = engine.live_rule()
    run = Run.objects.create(
        id=event.pk * RULE_SPAN + rule.pk, event_id=event.pk, rule_id=rule.pk,
        document_id=Document.objects.get(rule=rule).pk, position=1,
        subject="orders.order", subject_id=order.pk, subject_version=1, state="done",
    )  # fmt: skip
    account, _ = ConnectorAccount.objects.get_or_create(
        key="labels", defaults={"name": "Labels", "kind": "automations.http", "created_by": user}
    )
    return CallLog.objects.create(
        account=account, purpose="call", run_id=run.pk, method="POST", host="labels.example",
        took_ms=5, sent=True, outcome="done", says="For Grace", request={"to": "Grace"},
        response={"name": "Grace"},
    )  # fmt: skip


def test_comments_and_calls_of_the_erased_are_emptied_and_no_others(operations_user: User) -> None:
    gone, stays = an_order("1"), an_order("2")
    rows = {
        order.pk: (a_comment(order, operations_user), a_call(order, operations_user))
        for order in (gone, stays)
    }
    assert gone.customer is not None
    weighed = {part.what: part.count for part in preview(gone.customer).going}
    assert weighed["What staff wrote on cases about them"] == 1
    assert weighed["What was kept of calls about them"] == 1
    erase_customer(gone.customer.pk, why="asked", actor=HOUSE)
    for order, is_gone in ((gone, True), (stays, False)):
        comment, call = rows[order.pk]
        comment.refresh_from_db()
        call.refresh_from_db()
        assert (comment.text == "", comment.changes == {}) == (is_gone, is_gone)
        assert (call.request is None, call.says == "") == (is_gone, is_gone)
        assert (comment.verb, comment.user) == ("note", operations_user)
        assert (call.host, call.outcome) == ("labels.example", "done")


def test_nobody_empties_what_is_written_of_those_who_were_not_erased(
    operations_user: User,
) -> None:
    order = an_order("1")
    comment = a_comment(order, operations_user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT support_forget_cases(%s::bigint[])", [[order.customer_id]])
    comment.refresh_from_db()
    assert comment.text == SAID
    for statement in (
        "UPDATE automations_failureaction SET text = '', reference = '', changes = '{}'",
        "UPDATE automations_calllog SET request = NULL, response = NULL, says = ''",
        "DELETE FROM automations_calllog",
    ):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_old_calls_are_let_go_and_younger_ones_stay(operations_user: User) -> None:
    order = an_order("1")
    call = a_call(order, operations_user)
    old = CallLog.objects.create(
        account=call.account, purpose="probe", method="GET", host="labels.example", took_ms=5,
        sent=True, outcome="done", at=timezone.now() - timedelta(days=500),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT calls FROM automations_let_go_of_calls(0, 1000, 400)")
        assert cursor.fetchone() == (1,)
    assert list(CallLog.objects.values_list("pk", flat=True)) == [call.pk]
    assert old.pk != call.pk
