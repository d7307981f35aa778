from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from backoffice.actors import HOUSE
from backoffice.models import LegalEntity
from finance.models.ledger import Account, JournalEntry, JournalLine
from finance.queries import account_ledger, entry_by_number, trial_balance
from finance.services.books import CHART, accounts_by_role, open_books
from finance.services.errors import AlreadyReversed, BooksNotOpen, NotBalanced, NotRounded
from finance.services.journal import post_entries, reverse_entry
from tests.bed.databases import Database, at_once, owner_role, sign_in_as
from tests.finance.factories import Role, an_entry, make_entity, pounds

SALE = ((Role.CUSTOMERS, "120.00", "GBP"), (Role.SALES, "-120.00", "GBP"))


@pytest.fixture
def entity(any_db: None) -> LegalEntity:
    return make_entity()


def raw_entry(entity: LegalEntity, lines: list[tuple[Role, str, str, str]], count: int = 2) -> int:
    """An entry written past the services, as a careless script would."""
    books = accounts_by_role([entity.pk])
    entry = JournalEntry.objects.create(
        entity=entity,
        posted_on=date(2026, 11, 20),
        code="raw",
        source="tests.raw",
        source_id=1,
        purpose="raw",
        line_count=count,
        actor_kind="system",
        actor_label="Script",
    )
    for position, (role, debit, credit, currency) in enumerate(lines, start=1):
        JournalLine.objects.create(
            entry=entry,
            position=position,
            account=books.account(entity.pk, role),
            posted_on=entry.posted_on,
            debit=Decimal(debit),
            credit=Decimal(credit),
            currency=currency,
        )
    return entry.pk


def check_now() -> None:
    """Run the checks that a commit would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def test_books_open_with_every_account_a_posting_needs(entity: LegalEntity) -> None:
    roles = set(Account.objects.filter(entity=entity).values_list("role", flat=True))
    assert roles == set(Account.Role.values) == {role for _, _, role in CHART}


def test_opening_books_twice_changes_nothing(entity: LegalEntity) -> None:
    Account.objects.filter(entity=entity, role=Role.SALES).update(name="Umsatz", code="8400")
    assert open_books(entity) == []
    assert Account.objects.get(entity=entity, role=Role.SALES).code == "8400"


def test_a_balanced_entry_is_posted_with_its_lines_in_order(entity: LegalEntity) -> None:
    (entry,) = post_entries([an_entry(entity, *SALE)])
    check_now()
    lines = [(line.position, line.debit, line.credit) for line in entry.lines.order_by("position")]
    assert lines == [(1, Decimal("120.00"), 0), (2, 0, Decimal("120.00"))]
    assert entry_by_number(entry.number) == entry


def test_an_unbalanced_entry_is_refused_in_words_before_the_database_sees_it(
    entity: LegalEntity,
) -> None:
    unbalanced = an_entry(entity, (Role.CUSTOMERS, "120.00", "GBP"), (Role.SALES, "-119.99", "GBP"))
    with pytest.raises(NotBalanced, match=r"£0\.01"):
        post_entries([an_entry(entity, *SALE), unbalanced])
    assert not JournalEntry.objects.exists()


def test_an_amount_finer_than_its_currency_is_refused(entity: LegalEntity) -> None:
    fine = an_entry(entity, (Role.CUSTOMERS, "0.001", "GBP"), (Role.SALES, "-0.001", "GBP"))
    with pytest.raises(NotRounded):
        post_entries([fine])
    assert not JournalEntry.objects.exists()


def test_the_database_refuses_an_unbalanced_entry_at_commit(committed_db: Database) -> None:
    entity = make_entity()
    with pytest.raises(IntegrityError, match="does not balance in GBP"), transaction.atomic():
        raw_entry(entity, [(Role.CUSTOMERS, "5", "0", "GBP"), (Role.SALES, "0", "4", "GBP")])
    assert not JournalEntry.objects.exists()
    assert not JournalLine.objects.exists()


def test_each_currency_balances_by_itself(committed_db: Database) -> None:
    entity = make_entity()
    with pytest.raises(IntegrityError, match="does not balance in EUR, GBP"), transaction.atomic():
        raw_entry(entity, [(Role.CUSTOMERS, "5", "0", "GBP"), (Role.SALES, "0", "5", "EUR")])
    assert not JournalEntry.objects.exists()


def test_the_database_refuses_an_entry_with_lines_missing(entity: LegalEntity) -> None:
    raw_entry(entity, [], count=2)
    with pytest.raises(IntegrityError, match="announces 2 lines and has 0"):
        check_now()


def test_the_database_refuses_an_entry_of_one_line(entity: LegalEntity) -> None:
    with pytest.raises(IntegrityError, match="entry_has_two_lines"):
        raw_entry(entity, [(Role.SALES, "5", "0", "GBP")], count=1)


def test_a_line_is_either_debit_or_credit(entity: LegalEntity) -> None:
    with pytest.raises(IntegrityError, match="line_is_debit_or_credit"):
        raw_entry(entity, [(Role.SALES, "5", "5", "GBP")])


def test_an_account_of_another_entity_is_refused_at_commit(entity: LegalEntity) -> None:
    other = make_entity("Kestrel GmbH", "Europe/Berlin")
    theirs = accounts_by_role([other.pk]).account(other.pk, Role.SALES)
    new = an_entry(entity, *SALE)
    new.legs[1] = type(new.legs[1])(theirs, new.legs[1].amount)  # type: ignore[index]
    post_entries([new])
    with pytest.raises(IntegrityError, match="another entity or day"):
        check_now()


def test_no_line_joins_an_entry_that_is_complete(committed_db: Database) -> None:
    entity = make_entity()
    (entry,) = post_entries([an_entry(entity, *SALE)])
    account = entry.lines.first().account  # type: ignore[union-attr]
    for position in (1, 3):
        with pytest.raises(IntegrityError):
            JournalLine.objects.create(
                entry=entry,
                position=position,
                account=account,
                posted_on=entry.posted_on,
                debit=Decimal(1),
                currency="GBP",
            )
    assert entry.lines.count() == 2


@pytest.mark.parametrize("table", ["finance_journalentry", "finance_journalline"])
def test_posted_rows_refuse_change_from_the_application(entity: LegalEntity, table: str) -> None:
    post_entries([an_entry(entity, *SALE)])
    for statement in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    assert JournalLine.objects.count() == 2


@pytest.mark.parametrize("table", ["finance_journalentry", "finance_journalline"])
def test_posted_rows_refuse_change_even_from_the_owner(committed_db: Database, table: str) -> None:
    post_entries([an_entry(make_entity(), *SALE)])
    with sign_in_as(owner_role(), committed_db.name) as owner:
        for statement in (
            f"UPDATE {table} SET id = id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
        ):
            with pytest.raises(Exception, match="append-only"):
                owner.execute(statement.encode())
    assert JournalLine.objects.count() == 2


def test_posted_rows_refuse_change_through_the_models(entity: LegalEntity) -> None:
    (entry,) = post_entries([an_entry(entity, *SALE)])
    line = entry.lines.first()
    assert line is not None
    line.debit = Decimal(7)
    for change in (line.save, line.delete, entry.lines.all().delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert entry.lines.get(position=1).debit == Decimal("120.00")


def test_a_fact_is_booked_once(entity: LegalEntity) -> None:
    new = an_entry(entity, *SALE)
    assert len(post_entries([new, new])) == 1
    assert post_entries([new]) == []
    assert JournalEntry.objects.count() == 1


def test_a_fact_booked_twenty_times_at_once_is_booked_once(committed_db: Database) -> None:
    new = an_entry(make_entity(), *SALE)
    at_once([lambda: post_entries([new])] * 20)
    assert JournalEntry.objects.count() == 1
    assert JournalLine.objects.count() == 2


def test_reversing_swaps_the_sides_and_can_be_done_once(entity: LegalEntity) -> None:
    (entry,) = post_entries([an_entry(entity, *SALE)])
    opposite = reverse_entry(entry, actor=HOUSE)
    check_now()
    assert opposite.reverses == entry
    assert [line.credit for line in opposite.lines.order_by("position")] == [Decimal("120.00"), 0]
    for again in (entry, opposite):
        with pytest.raises(AlreadyReversed):
            reverse_entry(again, actor=HOUSE)
    assert trial_balance(entity.pk).of(Role.SALES, "GBP") == 0


def test_books_open_with_the_first_posting_so_that_no_sale_waits(db: None) -> None:
    new = LegalEntity.objects.create(
        name="Newco", country="GB", currency="GBP", time_zone="Europe/London"
    )
    post_entries([an_entry(new, *SALE)])
    assert trial_balance(new.pk).off == {"GBP": 0}


def test_books_without_the_account_say_what_to_do(entity: LegalEntity) -> None:
    Account.objects.filter(entity=entity, role=Role.SALES).update(role="")
    with pytest.raises(BooksNotOpen, match="Kestrel Gifts Ltd has no account for “Sales”"):
        an_entry(entity, *SALE)


def test_an_account_stays_in_its_books_and_open_while_postings_use_it(
    entity: LegalEntity,
) -> None:
    other = make_entity("Kestrel GmbH")
    sales = Account.objects.filter(entity=entity, role=Role.SALES)
    with pytest.raises(DatabaseError, match="stays in the books"), transaction.atomic():
        sales.update(entity=other)
    with pytest.raises(IntegrityError, match="account_with_role_is_active"), transaction.atomic():
        sales.update(is_active=False)


def test_the_trial_balance_reads_days_and_currencies_apart(entity: LegalEntity) -> None:
    euros = ((Role.CUSTOMERS, "9.00", "EUR"), (Role.SALES, "-9.00", "EUR"))
    post_entries([an_entry(entity, *SALE), an_entry(entity, *euros)])
    balance = trial_balance(entity.pk)
    assert balance.off == {"GBP": 0, "EUR": 0}
    assert balance.of(Role.CUSTOMERS, "GBP") == Decimal("120.00")
    assert balance.of(Role.CUSTOMERS, "EUR") == Decimal("9.00")
    assert trial_balance(entity.pk, upto=date(2026, 11, 19)).rows == []
    customers = Account.objects.get(entity=entity, role=Role.CUSTOMERS)
    assert [line.debit for line in account_ledger(customers)] == [Decimal(9), Decimal(120)]


def test_ten_thousand_lines_are_posted_in_one_go(entity: LegalEntity) -> None:
    one = an_entry(entity, *SALE)
    post_entries([replace(one, source=("tests.fact", -n, "booked")) for n in range(5000)])
    check_now()
    assert JournalLine.objects.count() == 10_000
    assert trial_balance(entity.pk).off == {"GBP": 0}
    assert pounds("600000") == pounds(trial_balance(entity.pk).of(Role.CUSTOMERS, "GBP"))
