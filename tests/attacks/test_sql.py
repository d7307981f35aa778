"""SQL as the application role: what a bug, an injection or a shell could try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum

from automations.models.documents import Document
from automations.models.rules import Draft
from automations.models.runs import Run
from automations.services import drafts
from backoffice.actors import person
from backoffice.grants import history_tables
from backoffice.models import User
from finance.models.balances import OrderBalance
from finance.models.ledger import JournalEntry, JournalLine
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.refunds import approve_refund, request_refund
from inventory.models import Sku, StockLevel
from tests.automations import factories as rule
from tests.bed.databases import Database
from tests.bed.people import MakeUser
from tests.finance.factories import make_paid_order, make_stock, pay, pounds

Statements = tuple[str, ...]


def sql(*statements: str, **values: Any) -> None:
    """Run statements in one transaction, the deferred checks of its end included."""
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values or None)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


ENTRY = """
INSERT INTO public.finance_journalentry (entity_id, posted_on, code, source, source_id, purpose,
    reference, recorded_at, line_count, actor_kind, actor_label)
SELECT entity_id, posted_on, 'forged', 'tests.forged', 1, 'forged', '', now(), 2, 'system', 'x'
FROM public.finance_journalentry LIMIT 1
"""
LINE = """
INSERT INTO public.finance_journalline (entry_id, position, account_id, posted_on, debit, credit,
    currency, memo)
SELECT (SELECT max(id) FROM public.finance_journalentry), {position}, account_id, posted_on,
    {debit}, {credit}, 'GBP', '' FROM public.finance_journalline ORDER BY id LIMIT 1
"""


def entry(debit: str, credit: str) -> Statements:
    """An entry of two lines that a shell would write."""
    return (
        ENTRY,
        LINE.format(position=1, debit=debit, credit="0"),
        LINE.format(position=2, debit="0", credit=credit),
    )


# A temporary table with the ledger's name shows balanced lines to whoever looks for them there.
SHADOWED = (
    "CREATE TEMPORARY TABLE finance_journalline AS TABLE public.finance_journalline WITH NO DATA",
    *entry("100", "1"),
    "INSERT INTO pg_temp.finance_journalline SELECT * FROM public.finance_journalline"
    " WHERE entry_id = (SELECT max(id) FROM public.finance_journalentry)",
    "UPDATE pg_temp.finance_journalline SET credit = 100 WHERE position = 2",
)


@pytest.mark.parametrize(
    "statements",
    [entry("100", "1"), entry("'NaN'", "'NaN'"), entry("-5", "-5"), SHADOWED],
    ids=["one-sided", "not-a-number", "negative", "shadowed"],
)
def test_no_entry_that_does_not_balance_reaches_the_ledger(
    committed_db: Database, statements: Statements
) -> None:
    make_paid_order("80.00")
    entries, lines = JournalEntry.objects.count(), JournalLine.objects.count()
    with pytest.raises(DatabaseError):
        sql(*statements)
    assert (JournalEntry.objects.count(), JournalLine.objects.count()) == (entries, lines)
    sums = JournalLine.objects.aggregate(debit=Sum("debit"), credit=Sum("credit"))
    assert sums["debit"] == sums["credit"] == 80


def test_the_ledgers_checks_read_the_ledger_even_where_temporary_tables_are_allowed(
    committed_db: Database,
) -> None:
    make_paid_order("80.00")
    allow_temporary_tables(committed_db)
    with pytest.raises(IntegrityError, match="does not balance"):
        sql(*SHADOWED)
    assert JournalEntry.objects.count() == 1


def allow_temporary_tables(database: Database) -> None:
    """As a server would whose owner of the database is not ours to ask."""
    with connect(database.owner_url) as owner:
        owner.execute(f"GRANT TEMPORARY ON DATABASE {database.name} TO PUBLIC")
    connection.close()


def connect(url: str) -> Any:
    import psycopg  # noqa: PLC0415 - beside Django's own connection

    return psycopg.connect(url, autocommit=True)


BY_TRIGGER = (
    "CREATE TEMPORARY TABLE lever (a int)",
    "CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " UPDATE public.inventory_stocklevel SET on_hand = on_hand + 1000; RETURN NEW; END $$",
    "CREATE TRIGGER pull BEFORE INSERT ON lever FOR EACH ROW EXECUTE FUNCTION pg_temp.pull()",
    "INSERT INTO lever VALUES (1)",
)
BY_SHADOW = (
    "CREATE TEMPORARY TABLE inventory_location AS SELECT * FROM public.inventory_location",
    "UPDATE pg_temp.inventory_location SET kind = 'internal'",
    "INSERT INTO public.inventory_stockmove (sku_id, from_location_id, to_location_id, quantity,"
    " reason, note, source, key, occurred_at, actor_kind, actor_label) SELECT sku_id,"
    " to_location_id, from_location_id, 7, 'adjustment', '', '', 'forged', now(), 'system', 'x'"
    " FROM public.inventory_stockmove LIMIT 1",
)
BY_HAND = ("UPDATE inventory_stocklevel SET on_hand = on_hand + 1000",)


@pytest.mark.parametrize("statements", [BY_HAND, BY_TRIGGER], ids=["by-hand", "by-trigger"])
@pytest.mark.parametrize("temporary", [False, True], ids=["no-temporary", "temporary"])
def test_no_stock_level_differs_from_its_moves(
    committed_db: Database, statements: Statements, temporary: bool
) -> None:
    make_stock("MUG", 40)
    if temporary:
        allow_temporary_tables(committed_db)
    with pytest.raises(DatabaseError):
        sql(*statements)
    assert StockLevel.objects.get(sku__code="MUG").on_hand == 40


def test_a_move_is_counted_by_the_places_there_are(committed_db: Database) -> None:
    make_stock("MUG", 40)
    allow_temporary_tables(committed_db)
    sql(*BY_SHADOW)
    (level,) = StockLevel.objects.filter(sku__code="MUG")
    assert level.on_hand == 33  # back to the supplier, which keeps no level


def test_the_application_role_makes_no_temporary_tables(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        sql("CREATE TEMPORARY TABLE lever (a int)")


# --- refunds --------------------------------------------------------------------------------------

FORGED_REFUND = """
INSERT INTO finance_refund (order_id, amount, currency, reason, note, state, key, actor_kind,
    actor_label, decided_at, approved_by_id, decision_note, is_history, version)
SELECT id, {amount}, 'GBP', 'other', '', '{state}', '', 'rule', 'x', {decided}, {approver}, '',
    false, 1 FROM orders_order LIMIT 1
"""


def forged_refund(amount: str, *, approver: int | None = None) -> str:
    return FORGED_REFUND.format(
        amount=amount,
        state="requested" if approver is None else "approved",
        decided="NULL" if approver is None else "now()",
        approver=approver or "NULL",
    )


def test_no_refund_is_born_approved(finance_user: User) -> None:
    make_paid_order("100.00")
    with pytest.raises(IntegrityError, match="begins as a request"):
        sql(forged_refund("5", approver=finance_user.pk))
    assert not Refund.objects.exists()


@pytest.mark.parametrize("role", ["operations", "support", "administrator", "auditor", None])
def test_no_refund_is_let_go_by_anyone_but_finance(
    make_user: MakeUser, role: str | None, support_user: User
) -> None:
    refund = request_refund(
        make_paid_order("100.00"), pounds(30), "goodwill", actor=person(support_user)
    )
    other = make_user(role, is_superuser=True)
    with pytest.raises(IntegrityError, match="person of finance alone"):
        sql(
            "UPDATE finance_refund SET state = 'approved', approved_by_id = %(who)s,"
            " decided_at = now()",
            who=other.pk,
        )
    with pytest.raises(FinanceError, match="may not decide"):
        approve_refund(refund, amount=pounds(30), version=1, actor=person(other))
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by) == ("requested", None)


def test_nobody_of_finance_whose_account_is_closed_lets_a_refund_go(
    support_user: User, make_user: MakeUser
) -> None:
    request_refund(make_paid_order("100.00"), pounds(30), "goodwill", actor=person(support_user))
    leaver = make_user("finance", is_active=False)
    with pytest.raises(IntegrityError, match="person of finance alone"):
        sql(
            "UPDATE finance_refund SET state = 'paid', approved_by_id = %(who)s, paid_at = now(),"
            " decided_at = now()",
            who=leaver.pk,
        )
    assert Refund.objects.get().state == "requested"


def test_no_refund_exceeds_the_payments_whatever_the_balance_says(db: None) -> None:
    order = make_paid_order("100.00")
    OrderBalance.objects.filter(order=order).update(paid=1_000_000)
    with pytest.raises(IntegrityError, match="more than its payments"):
        sql(forged_refund("100.01"))
    sql(forged_refund("60"))
    with pytest.raises(IntegrityError, match="more than its payments"):
        sql(forged_refund("40.01"))
    assert [refund.amount for refund in Refund.objects.all()] == [60]


@pytest.mark.parametrize("column", ["charged", "credited", "paid", "refunded", "reserved"])
def test_a_balance_is_a_number(db: None, column: str) -> None:
    order = make_paid_order("100.00")
    with pytest.raises(IntegrityError):
        sql(f"UPDATE finance_orderbalance SET {column} = 'NaN'")
    assert OrderBalance.objects.get(order=order).paid == 100


def test_a_payment_is_a_number(db: None) -> None:
    pay(make_paid_order("100.00"), "5.00")
    with pytest.raises(IntegrityError):
        sql(
            "INSERT INTO finance_payment (provider, external_id, method, amount, currency, state,"
            " received_at, is_history, version, order_id) SELECT 'x', 'x', 'card', 'NaN', 'GBP',"
            " 'received', now(), false, 1, id FROM orders_order LIMIT 1"
        )
    assert Payment.objects.count() == 2


# --- rules ----------------------------------------------------------------------------------------

SUBMIT = """
SELECT automations_submit_document('rule', %(key)s, %(rule)s, %(text)s, %(pins)s, %(sha256)s,
    'none', 'Forged', %(author)s, %(author)s, %(revision)s)
"""


def forge(document: Document, author: User, **changes: Any) -> None:
    """Submit a document's content again, with forged arguments."""
    given = {
        "key": document.key,
        "rule": document.rule_id,
        "text": document.text,
        "pins": document.pins,
        "sha256": document.sha256,
        "author": author.pk,
        "revision": document.draft_revision,
    }
    sql(SUBMIT, **{**given, **changes})


def _of_a_later_revision(document: Document) -> None:
    forge(document, rule.author(), revision=2_147_483_647)


def _in_anothers_name(document: Document) -> None:
    forge(document, rule.staff("operations", "innocent"))


def _under_anothers_key(document: Document) -> None:
    other = rule.submit(rule.make_rule(name="Another"))
    try:
        forge(document, rule.author(), key=other.key)
    finally:
        other.refresh_from_db()
        assert other.state == "submitted"


@pytest.mark.parametrize("forgery", [_of_a_later_revision, _in_anothers_name, _under_anothers_key])
def test_a_submission_is_of_the_draft_as_it_stands(
    db: None, forgery: Callable[[Document], None]
) -> None:
    document = rule.submit(rule.make_rule())
    with pytest.raises(DatabaseError):
        forgery(document)
    assert list(Document.objects.filter(rule=document.rule)) == [document]
    assert Document.objects.get(pk=document.pk).state == "submitted"


def test_whoever_wrote_what_an_undo_brings_back_is_an_editor(db: None) -> None:
    made = rule.live_rule()
    writer = rule.staff("finance", "writer")
    revision = Draft.objects.get(rule=made).revision
    theirs, mine = rule.body(latency="batch"), rule.body(missing_data="skip")
    drafts.save_draft(made.pk, body=theirs, revision=revision, actor=person(writer))
    author = person(rule.author())
    drafts.save_draft(made.pk, body=mine, revision=revision + 1, actor=author)
    rule.make_live(made)  # from here on the writer edited nothing that is new
    assert drafts.undo_draft(made.pk, revision=revision + 2, actor=author).body == theirs
    document = rule.submit(made)
    assert {each.user for each in document.editors.all()} == {rule.author(), writer}


FORGED_RUN = """
INSERT INTO automations_run (id, event_id, rule_id, document_id, subject, subject_id,
    subject_version, position, depth, state, cursor, attempts, trace_length, has_case, outcome)
VALUES (%(event)s * 1000000 + %(rule)s, %(event)s, %(rule)s, %(document)s, 'depot.parcel', 1, 1,
    1, 0, 'due', '', 0, 0, false, '')
"""


def test_no_run_is_of_a_version_that_was_never_in_force(db: None) -> None:
    document = rule.submit(rule.make_rule())
    with pytest.raises(DatabaseError, match="was in force"):
        sql(FORGED_RUN, event=1, rule=document.rule_id, document=document.pk)
    assert not Run.objects.exists()


def test_a_run_stays_with_its_version(db: None) -> None:
    live = rule.live_rule()
    rule.parcels_arrived()
    rule.work_all()
    other = rule.submit(rule.make_rule(name="Another"))
    before = list(Run.objects.values())
    assert before
    for column, value in (("document_id", other.pk), ("rule_id", other.rule_id)):
        with pytest.raises(DatabaseError):
            sql(f"UPDATE automations_run SET {column} = %(value)s", value=value)
    assert list(Run.objects.values()) == before
    assert live.pk != other.rule_id


# --- who changed what -----------------------------------------------------------------------------


def test_who_changed_a_row_of_configuration_is_only_added_to(db: None) -> None:
    guarded = history_tables()
    assert "inventory_historicalsku" in guarded
    assert "orders_historicalcustomer" not in guarded  # a person can be forgotten
    with connection.cursor() as cursor:
        for table in guarded:
            cursor.execute(
                "SELECT has_table_privilege(%s, 'INSERT'),"
                " has_table_privilege(%s, 'UPDATE, DELETE, TRUNCATE')",
                [table] * 2,
            )
            assert cursor.fetchone() == (True, False), table


def test_no_history_of_a_sku_is_rewritten(db: None) -> None:
    make_stock("MUG", 1)
    sku = Sku.objects.get(code="MUG")
    for statement in ("UPDATE {} SET name = 'x'", "DELETE FROM {}"):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            sql(statement.format("inventory_historicalsku"))
    assert sku.history.count() == 1


def test_every_function_that_reads_tables_reads_ours(db: None) -> None:
    """A function without a pinned path reads whatever table of that name comes first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " AND prolang IN (SELECT oid FROM pg_language WHERE lanname IN ('sql', 'plpgsql'))"
            " AND prosrc ~* '(FROM|INTO|JOIN|UPDATE)\\s+[a-z]+_'"
            " AND NOT coalesce(proconfig::text, '') LIKE '%search_path%'"
        )
        assert cursor.fetchall() == []
