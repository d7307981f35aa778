"""Fraud screening: what signals see, what is held, who decides, and what stays of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry, User
from backoffice.versions import StaleVersion
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import Review, ReviewDecision
from orders.models.trust import MarkKind, OrderMark, RiskAssessment, RiskSignal
from orders.queries.checks import orders_that_differ
from orders.queries.screening import signal_figures
from orders.services.cancelling import cancel_orders
from orders.services.drafts import Contact
from orders.services.errors import OnHold, OrderError, WrongState
from orders.services.hold_ends import act_on_ended_holds
from orders.services.holds import Ending, hold_orders, release_orders
from orders.services.picking import start_picking
from orders.services.reviews import escalate_reviews, report_fraud, settle_review
from orders.services.risk_signals import SignalEdit, add_signal, agree_to_looser, edit_signal
from orders.services.screening import screen_again
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_customer, pay, place, place_history
from tests.orders.trust import BATH, Kind, Mode, make_signal, review_of, suspect

State, Verdict = Review.State, RiskAssessment.Verdict
PASSED, REFUSED = State.PASSED, State.REFUSED


def assessment(order: Order) -> RiskAssessment:
    return RiskAssessment.objects.get(order=order, is_current=True)


@pytest.mark.django_db
def test_without_signals_no_order_is_assessed_or_held() -> None:
    order = suspect()
    assert not order.is_held
    assert not RiskAssessment.objects.exists()


@pytest.mark.django_db
@pytest.mark.requirement("R62")
def test_a_suspicious_order_has_a_score_and_reasons_and_is_held_before_it_is_picked() -> None:
    make_signal(Kind.MISMATCH, Mode.REVIEW, weight=40)
    make_signal(Kind.REGION, Mode.BLOCK, weight=35, countries=["FR"])
    make_signal(Kind.VELOCITY, Mode.MONITOR, weight=20, mark="mail", orders=2, minutes=60)
    order = suspect(contact=Contact(email="g@example.com"))
    told = assessment(order)
    assert (told.outcome, told.score) == ("blocked", 75)
    by_key = {row["key"]: row for row in told.findings}
    assert len(by_key) == 3
    seen = "billed to France, shipped to United Kingdom"
    assert seen in {row["seen"] for row in told.findings}
    assert [row["fired"] for row in told.findings if row["mode"] == "monitor"] == [False]
    hold = order.holds.get()
    assert (hold.reason, hold.released_at) == (Hold.Reason.FRAUD, None)
    pay(order)
    done = start_picking([order.pk], actor=HOUSE)
    assert isinstance(done.refused[order.pk], OnHold)
    assert fresh(order).picking_since is None
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
@pytest.mark.requirement("R62")
def test_an_order_alike_in_both_countries_goes_on_and_its_assessment_is_kept() -> None:
    make_signal()
    order = suspect(bill_to=BATH)
    assert not order.is_held
    assert (assessment(order).outcome, assessment(order).score) == ("clear", 0)
    assert not Review.objects.exists()


@pytest.mark.django_db
def test_a_new_signal_begins_in_monitor_and_holds_nothing() -> None:
    signal = add_signal(Kind.MISMATCH, SignalEdit("Countries", Mode.BLOCK, 50), actor=HOUSE)
    assert signal.mode == Mode.MONITOR
    order = suspect()
    assert not order.is_held
    assert [row["fired"] for row in assessment(order).findings] == [True]
    assert assessment(order).score == 0


@pytest.mark.django_db
@pytest.mark.requirement("R62")
@pytest.mark.parametrize(
    ("mark", "contact"),
    [
        (MarkKind.MAIL, Contact(email="Twice+Sale@Example.com")),
        (MarkKind.ADDRESS, Contact()),
        (MarkKind.CARD, Contact(card="fp_9")),
        (MarkKind.IP, Contact(ip="203.0.113.9")),
    ],
)
def test_the_third_order_in_an_hour_with_the_same_mark_is_held(
    mark: MarkKind, contact: Contact
) -> None:
    make_signal(Kind.VELOCITY, Mode.REVIEW, mark=mark, orders=3, minutes=60)
    now = timezone.now()
    long_ago = suspect(contact=contact, placed_at=now - timedelta(minutes=61))
    orders = [suspect(contact=contact, placed_at=now + timedelta(seconds=n)) for n in range(3)]
    assert [order.is_held for order in (long_ago, *orders)] == [False, False, False, True]
    assert f"3 orders with this {mark.label.lower()} within 1 h" in {
        row["seen"] for row in assessment(orders[2]).findings
    }


@pytest.mark.django_db
def test_imported_history_is_neither_screened_nor_remembered() -> None:
    make_signal()
    order = place_history(line(make_sku()), ship_to=BATH)
    assert not RiskAssessment.objects.filter(order=order).exists()
    assert not OrderMark.objects.filter(order=order).exists()


@pytest.mark.django_db
def test_a_changed_signal_acts_on_new_orders_and_leaves_old_assessments_alone() -> None:
    signal = make_signal(weight=40)
    before = suspect()
    edit = SignalEdit(signal.name, Mode.BLOCK, 90)
    edit_signal(signal.pk, edit, reason="A wave", may_loosen=False, actor=HOUSE)
    after = suspect()
    assert (assessment(before).outcome, assessment(before).score) == ("review", 40)
    assert (assessment(after).outcome, assessment(after).score) == ("blocked", 90)
    with pytest.raises(DatabaseError), transaction.atomic():
        RiskAssessment.objects.filter(order=before).update(score=0)
    assert list(signal.history.order_by("history_id").values_list("mode", flat=True))[-2:] == [
        "review", "block",
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    "looser",
    [
        {"mode": Mode.MONITOR},
        {"weight": 10},
        {"orders": 9},
        {"minutes": 5},
    ],
)
def test_two_of_finance_let_more_orders_through(
    looser: dict[str, object], make_user: MakeUser
) -> None:
    signal = make_signal(Kind.VELOCITY, mark="mail", orders=3, minutes=60)
    fields = {"mode": Mode.REVIEW, "weight": 40, "orders": 3, "minutes": 60, "mark": "mail"}
    edit = SignalEdit(signal.name, **{**fields, **looser})  # type: ignore[arg-type]
    with pytest.raises(OrderError, match="Finance"):
        edit_signal(signal.pk, edit, reason="Too strict", may_loosen=False, actor=HOUSE)
    signal.refresh_from_db()
    assert (signal.mode, signal.weight, signal.orders, signal.minutes) == ("review", 40, 3, 60)
    with pytest.raises(OrderError, match="Finance"):
        edit_signal(signal.pk, edit, reason="Too strict", may_loosen=True, actor=HOUSE)
    one, two = person(make_user("finance")), person(make_user("finance"))
    asked = edit_signal(signal.pk, edit, reason="Too strict", may_loosen=True, actor=one)
    assert (asked.mode, asked.weight, asked.orders, asked.minutes) == ("review", 40, 3, 60)
    with pytest.raises(OrderError, match="someone else"):
        agree_to_looser(signal.pk, version=asked.version, actor=one)
    with pytest.raises(OrderError, match="Look at the signal again"):
        agree_to_looser(signal.pk, version=asked.version - 1, actor=two)
    with pytest.raises(OrderError, match="one of finance"):
        agree_to_looser(signal.pk, version=asked.version, actor=person(make_user("support")))
    with pytest.raises(DatabaseError, match="two people of finance"), transaction.atomic():
        RiskSignal.objects.filter(pk=signal.pk).update(**looser)
    signal.refresh_from_db()
    assert (signal.mode, signal.weight, signal.orders, signal.minutes) == ("review", 40, 3, 60)
    now = agree_to_looser(signal.pk, version=asked.version, actor=two)
    assert {name: getattr(now, name) for name in looser} == looser
    assert now.wanted is None
    assert signal.history.count() == 3
    assert AuditEntry.objects.filter(verb="orders.signal_loosened").count() == 1


@pytest.mark.django_db
@pytest.mark.requirement("R63")
def test_a_verdict_is_overturned_both_stay_and_the_signals_rate_follows(
    operations_user: User, support_user: User
) -> None:
    signal = make_signal()
    order, other = suspect(), suspect()
    review = review_of(order)
    settle_review(review.pk, REFUSED, reason="Stolen card", actor=person(operations_user))
    settle_review(review_of(other).pk, REFUSED, reason="Same", actor=person(operations_user))
    assert fresh(order).is_held
    assert assessment(order).verdict == Verdict.CONFIRMED
    assert signal_figures()[signal.key].false_rate == 0
    settle_review(review.pk, PASSED, reason="The bank agrees", actor=person(support_user))
    assert not fresh(order).is_held
    assert assessment(order).verdict == Verdict.CLEARED
    assert signal_figures()[signal.key].false_rate == 50
    rows = ReviewDecision.objects.filter(review=review).order_by("pk")
    assert list(rows.values_list("verdict", "overturns", "reason", "user_id")) == [
        ("refused", False, "Stolen card", operations_user.pk),
        ("passed", True, "The bank agrees", support_user.pk),
    ]
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.delete()
    assert AuditEntry.objects.filter(verb="orders.review_overturned").count() == 1


@pytest.mark.django_db
def test_what_was_cleared_by_mistake_is_held_again_unless_it_has_left() -> None:
    make_signal()
    order = suspect()
    review = review_of(order)
    settle_review(review.pk, PASSED, reason="Known buyer", actor=HOUSE)
    assert not fresh(order).is_held
    with pytest.raises(WrongState):
        settle_review(review.pk, PASSED, reason="Again", actor=HOUSE)
    settle_review(review.pk, REFUSED, reason="Chargeback", actor=HOUSE)
    assert fresh(order).is_held
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_fraud_that_was_confirmed_may_be_cancelled_at_once() -> None:
    make_signal()
    order = suspect()
    settle_review(review_of(order).pk, REFUSED, reason="Stolen", cancel=True, actor=HOUSE)
    assert (fresh(order).is_cancelled, fresh(order).cancel_reason) == (True, "fraud")
    settle_review(review_of(order).pk, PASSED, reason="Appeal", actor=HOUSE)
    assert fresh(order).is_cancelled
    assert assessment(order).verdict == Verdict.CLEARED


@pytest.mark.django_db
@pytest.mark.requirement("R62")
def test_no_release_gets_round_the_verdict() -> None:
    make_signal()
    order = suspect()
    hold_orders([order.pk], reason=Hold.Reason.CUSTOMER_REQUEST, actor=HOUSE)
    done = release_orders([order.pk], reason=Hold.Reason.FRAUD, actor=HOUSE)
    assert isinstance(done.refused[order.pk], WrongState)
    # Every hold: the other one ends, this one stays.
    assert release_orders([order.pk], actor=HOUSE).changed
    assert release_orders([order.pk], actor=HOUSE).refused
    assert fresh(order).is_held
    with pytest.raises(IntegrityError), transaction.atomic():
        Hold.objects.filter(order=order).update(released_at=timezone.now())
    assert order.holds.get(reason=Hold.Reason.FRAUD).released_at is None
    assert review_of(order).is_open


@pytest.mark.django_db
def test_a_hold_that_runs_out_does_not_clear_a_suspect() -> None:
    order = suspect()
    soon = Ending(timezone.now() + timedelta(hours=1), Hold.Then.RELEASE)
    hold_orders([order.pk], reason=Hold.Reason.FRAUD, ending=soon, actor=HOUSE)
    make_signal()
    screen_again([order.pk], actor=HOUSE)
    assert order.holds.count() == 1
    act_on_ended_holds(now=timezone.now() + timedelta(hours=2))
    assert fresh(order).is_held
    assert order.holds.get().ran_out_at is not None


@pytest.mark.django_db
def test_a_cancelled_order_needs_no_verdict_any_more() -> None:
    make_signal()
    order = suspect()
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    assert review_of(order).state == State.WITHDRAWN
    assert not order.holds.filter(released_at=None).exists()
    with pytest.raises(WrongState):
        settle_review(review_of(order).pk, PASSED, reason="Late", actor=HOUSE)


@pytest.mark.django_db
def test_a_stale_page_decides_nothing() -> None:
    make_signal()
    review = review_of(suspect())
    with pytest.raises(StaleVersion):
        settle_review(review.pk, PASSED, reason="r", version=review.version - 1, actor=HOUSE)
    review.refresh_from_db()
    assert review.is_open
    assert not ReviewDecision.objects.exists()


@pytest.mark.django_db
def test_screened_again_an_order_has_one_assessment_that_counts() -> None:
    signal = make_signal(Kind.REGION, Mode.MONITOR, countries=["FR"])
    order = suspect()
    assert not order.is_held
    edit = SignalEdit(signal.name, Mode.REVIEW, 40, countries=["FR"])
    edit_signal(signal.pk, edit, reason="Wave", may_loosen=False, actor=HOUSE)
    assert screen_again([order.pk], actor=HOUSE).changed
    assert fresh(order).is_held
    assert RiskAssessment.objects.filter(order=order).count() == 2
    assert assessment(order).outcome == "review"
    screen_again([order.pk], actor=HOUSE)
    assert Review.objects.filter(order=order).count() == 1
    cancel_orders([order.pk], reason=Order.CancelReason.FRAUD, actor=HOUSE)
    assert screen_again([order.pk], actor=HOUSE).refused


@pytest.mark.django_db
def test_fraud_that_no_signal_saw_is_reported_once() -> None:
    order = suspect()
    review = report_fraud(order.pk, reason="Chargeback", actor=HOUSE)
    assert (review.state, fresh(order).is_held) == (State.REFUSED, True)
    with pytest.raises(WrongState):
        report_fraud(order.pk, reason="Again", actor=HOUSE)


@pytest.mark.django_db
def test_a_review_that_nobody_answers_is_brought_before_people_once() -> None:
    make_signal()
    review = review_of(suspect())
    assert escalate_reviews() == 0
    late = review.due_at + timedelta(minutes=1)
    assert escalate_reviews(now=late) == 1
    assert escalate_reviews(now=late) == 0
    review.refresh_from_db()
    assert review.escalated_at == late


def test_of_fifty_verdicts_at_once_one_counts(committed_db: Database) -> None:
    make_signal()
    order = suspect(customer_id=make_customer().pk)
    review = review_of(order)

    def decide(verdict: Review.State) -> object:
        return settle_review(review.pk, verdict, reason="r", version=review.version, actor=HOUSE)

    tries = [lambda: decide(PASSED), lambda: decide(REFUSED)] * 25
    answers = at_once(tries)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert ReviewDecision.objects.filter(review=review).count() == 1
    review.refresh_from_db()
    assert fresh(order).is_held == (review.state == REFUSED)
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_signals_postgresql_would_not_keep_are_refused_in_words() -> None:
    for kind in (Kind.VELOCITY, Kind.REGION):
        with pytest.raises(OrderError):
            add_signal(kind, SignalEdit("Half", Mode.MONITOR, 10), actor=HOUSE)
    with pytest.raises(OrderError):
        add_signal(Kind.MISMATCH, SignalEdit("Heavy", Mode.MONITOR, 101), actor=HOUSE)
    assert not RiskSignal.objects.exists()
    assert place(line(make_sku(stock=5))).is_held is False
