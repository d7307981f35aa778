"""A notice that asks for something is over for everybody once that is decided."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from backoffice import mailing, notices, staff, standing_in
from backoffice.actors import person
from backoffice.models import Notice, User
from finance.services.small_refunds import answer_limit, change_limit
from orders.services.risk_signals import SignalEdit, agree_to_looser, edit_signal
from tests.bed.people import MakeUser, signed_in
from tests.orders.trust import Kind, Mode, make_signal

pytestmark = pytest.mark.django_db


def waiting(about: str) -> set[str]:
    """Who still has an unread notice about this."""
    rows = Notice.objects.filter(key__startswith=about, read_at=None, over_at=None)
    return set(rows.values_list("user__username", flat=True))


@pytest.fixture
def three(make_user: MakeUser) -> list[User]:
    return [make_user("finance", username=f"clerk{number}") for number in range(3)]


@pytest.mark.parametrize("agrees", [True, False])
def test_a_role_that_is_decided_is_asked_of_nobody_any_more(
    agrees: bool, make_user: MakeUser, administrator_user: User, mailoutbox: list[EmailMessage]
) -> None:
    first, other = (
        make_user("finance", email="a@example.com"),
        make_user("finance", email="b@x.com"),
    )
    (grant,) = staff.change_role(
        [make_user("support").pk], "finance", actor=person(administrator_user)
    )
    about = f"role-grant:{grant.pk}"
    assert waiting(about) == {first.username, other.username}
    decide = staff.agree_to_role if agrees else staff.turn_down_role
    decide(grant.pk, actor=person(first))
    assert waiting(about) == set()
    told = Notice.objects.get(user=other, key=about)
    assert (told.over_at is not None, told.read_at) == (True, told.over_at)
    assert mailing.send_due() == 0
    assert mailoutbox == []
    home = signed_in(other).get("/notices/_/home/").content.decode()
    assert "gets the role" not in home
    page = signed_in(other).get("/notices/?view=all").content.decode()
    assert ("gets the role" in page, "Decided" in page) == (True, True)


def test_a_role_asked_anew_ends_what_was_asked_before(
    finance_user: User, administrator_user: User, support_user: User
) -> None:
    asks = person(administrator_user)
    (before,) = staff.change_role([support_user.pk], "finance", actor=asks)
    (after,) = staff.change_role([support_user.pk], "operations", actor=asks)
    assert waiting(f"role-grant:{before.pk}") == set()
    assert waiting(f"role-grant:{after.pk}") == {finance_user.username}


def test_what_was_read_before_says_that_it_is_decided_and_keeps_when_it_was_read(
    finance_user: User, administrator_user: User, make_user: MakeUser, support_user: User
) -> None:
    other = make_user("finance")
    (grant,) = staff.change_role([support_user.pk], "finance", actor=person(administrator_user))
    told = Notice.objects.get(user=finance_user)
    notices.read(finance_user, told.pk)
    told.refresh_from_db()
    read = told.read_at
    staff.agree_to_role(grant.pk, actor=person(other))
    told.refresh_from_db()
    assert (told.read_at, told.over_at is not None) == (read, True)


def test_numbers_that_begin_alike_are_not_mistaken_for_one_another(finance_user: User) -> None:
    for key in ("job:7", "job:70", "job:7:more", "jobs:7", "role-grant:7"):
        notices.notify([finance_user], key, "", key=key)
    with connection.cursor() as cursor:
        cursor.execute("SELECT backoffice_notices_over('job:7')")
    over = Notice.objects.exclude(over_at=None).values_list("key", flat=True)
    assert set(over) == {"job:7", "job:7:more"}


def test_a_deputy_who_is_decided_on_is_asked_about_no_more(
    three: list[User], support_user: User, administrator_user: User
) -> None:
    today = timezone.localdate()
    row = standing_in.name_deputy(
        three[0].pk, deputy=support_user, first=today, last=today + timedelta(days=2),
        why="On leave.", actor=person(three[0]),
    )  # fmt: skip
    about = f"deputy-asked:{row.pk}"
    assert waiting(about) == {"clerk1", "clerk2", administrator_user.username}
    standing_in.turn_down(row.pk, actor=person(three[1]))
    assert waiting(about) == set()


def test_a_higher_limit_that_is_left_is_asked_of_nobody_any_more(three: list[User]) -> None:
    change_limit("GBP", Decimal(20), Decimal(50), actor=person(three[0]))
    change_limit("GBP", Decimal(30), Decimal(60), actor=person(three[0]))
    assert Notice.objects.filter(user=three[1], read_at=None).count() == 1  # asked anew
    answer_limit("GBP", Decimal(30), Decimal(60), agrees=False, actor=person(three[1]))
    assert waiting("refundlimit:GBP") == set()


def test_a_looser_signal_that_is_agreed_to_is_asked_of_nobody_any_more(three: list[User]) -> None:
    signal = make_signal(Kind.MISMATCH, Mode.REVIEW, weight=40)
    asked = edit_signal(
        signal.pk, SignalEdit(signal.name, Mode.REVIEW, 10), reason="Too strict", may_loosen=True,
        actor=person(three[0]),
    )  # fmt: skip
    assert waiting(f"signal:{signal.pk}") == {"clerk1", "clerk2"}
    agree_to_looser(signal.pk, version=asked.version, actor=person(three[1]))
    assert waiting(f"signal:{signal.pk}") == set()
