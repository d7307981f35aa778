from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, OPERATIONS, grant

READERS = [OPERATIONS, FINANCE, ADMINISTRATOR, AUDITOR]

# One check per entry at commit, however many lines it has: they must all be there, belong to the
# entry's own books and day, and balance in each currency. Without sequential scans: a session that
# planned this while the table was empty would read the whole table for each entry of an import.
ENTRY_BALANCES = """
CREATE FUNCTION finance_entry_balances() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
DECLARE
    lines bigint;
    strangers bigint;
    unbalanced text;
BEGIN
    SELECT sum(part.lines), sum(part.strangers),
           string_agg(part.currency, ', ') FILTER (WHERE part.debit <> part.credit)
      INTO lines, strangers, unbalanced
      FROM (
        SELECT line.currency, count(*) AS lines, sum(line.debit) AS debit,
               sum(line.credit) AS credit,
               count(*) FILTER (
                   WHERE account.entity_id <> NEW.entity_id OR line.posted_on <> NEW.posted_on
               ) AS strangers
          FROM finance_journalline line
          JOIN finance_account account ON account.id = line.account_id
         WHERE line.entry_id = NEW.id
         GROUP BY line.currency
      ) part;
    IF lines IS DISTINCT FROM NEW.line_count THEN
        RAISE EXCEPTION 'journal entry % announces % lines and has %',
            NEW.id, NEW.line_count, coalesce(lines, 0)
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_complete';
    END IF;
    IF strangers > 0 THEN
        RAISE EXCEPTION 'journal entry % has lines of another entity or day', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_one_book';
    END IF;
    IF unbalanced IS NOT NULL THEN
        RAISE EXCEPTION 'journal entry % does not balance in %', NEW.id, unbalanced
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_entry_balances';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER finance_entry_balances AFTER INSERT ON finance_journalentry
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION finance_entry_balances();
"""

# At commit an entry's positions 1 to line_count are all taken (each once: line_position_once), so
# with this no line can join an entry later; no transaction id to compare, nothing to restore. No
# sequential scans, as above.
LINES_FIT = """
CREATE FUNCTION finance_lines_fit() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
DECLARE
    full_entry bigint;
BEGIN
    -- An entry that another transaction has yet to commit can't be seen, and gets no line from here.
    SELECT added.entry_id INTO full_entry
      FROM added LEFT JOIN finance_journalentry entry ON entry.id = added.entry_id
     WHERE entry.id IS NULL OR added.position > entry.line_count
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal entry % has all its lines: reverse it instead', full_entry
            USING ERRCODE = 'check_violation', CONSTRAINT = 'finance_lines_fit';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER finance_lines_fit AFTER INSERT ON finance_journalline
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION finance_lines_fit();
"""

# An account that moved to another entity would take its balance along, out of both books.
ACCOUNT_STAYS = """
CREATE FUNCTION finance_account_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'account % stays in the books of its entity', OLD.code
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER finance_account_stays BEFORE UPDATE ON finance_account
    FOR EACH ROW WHEN (OLD.entity_id <> NEW.entity_id) EXECUTE FUNCTION finance_account_stays();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0001_ledger"),
        ("backoffice", "0002_roles_and_guards"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunSQL(
            ENTRY_BALANCES,
            "DROP TRIGGER finance_entry_balances ON finance_journalentry;"
            "DROP FUNCTION finance_entry_balances();",
        ),
        migrations.RunSQL(
            LINES_FIT,
            "DROP TRIGGER finance_lines_fit ON finance_journalline;"
            "DROP FUNCTION finance_lines_fit();",
        ),
        migrations.RunSQL(
            ACCOUNT_STAYS,
            "DROP TRIGGER finance_account_stays ON finance_account;"
            "DROP FUNCTION finance_account_stays();",
        ),
        append_only("finance_journalentry"),
        append_only("finance_journalline"),
        grant(
            "finance",
            {
                "view_account": READERS,
                "add_account": [FINANCE],
                "change_account": [FINANCE],
                "view_journalentry": READERS,
                "view_journalline": READERS,
                "post_manual_entry": [FINANCE],
            },
        ),
    ]
