"""No news without a yes, whoever sends; a no is never unwritten; what was said can be erased."""

from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, SUPPORT, grant

DESK = [OPERATIONS, SUPPORT, ADMINISTRATOR]
GUARDS = """
CREATE FUNCTION support_mail_needs_consent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    said boolean;
BEGIN
    WITH RECURSIVE up AS (
        SELECT id, merged_into_id FROM orders_customer WHERE id = NEW.customer_id
        UNION ALL SELECT c.id, c.merged_into_id
        FROM up JOIN orders_customer c ON c.id = up.merged_into_id
    ), family AS (
        SELECT id FROM up WHERE merged_into_id IS NULL
        UNION ALL SELECT c.id FROM family JOIN orders_customer c ON c.merged_into_id = family.id
    )
    SELECT e.given INTO said FROM support_consentevent e JOIN family ON family.id = e.customer_id
    WHERE e.medium = 'mail' AND e.purpose = NEW.purpose ORDER BY e.id DESC LIMIT 1;
    IF said IS DISTINCT FROM true THEN
        RAISE EXCEPTION 'Customer % has not agreed to mail for %', NEW.customer_id, NEW.purpose
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER support_mail_needs_consent BEFORE INSERT OR UPDATE OF state ON support_outgoingmail
    FOR EACH ROW WHEN (NEW.purpose <> 'service' AND NEW.state IN ('queued', 'sending'))
    EXECUTE FUNCTION support_mail_needs_consent();

-- A mail that has left or was skipped does not wait again.
CREATE FUNCTION support_mail_forward() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'A mail that is % does not become %', OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER support_mail_forward BEFORE UPDATE OF state ON support_outgoingmail
    FOR EACH ROW WHEN (OLD.state IN ('sent', 'skipped', 'failed') AND NEW.state <> OLD.state
                       OR NEW.state = 'queued' AND OLD.state <> 'queued')
    EXECUTE FUNCTION support_mail_forward();

-- What was said stays as it was said, but for a person who is to be forgotten: then it is emptied,
-- by the one function below, which the application's role may call and nothing else.
CREATE OR REPLACE FUNCTION support_message_append_only() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NEW.body = '' AND EXISTS (
            SELECT FROM support_ticket t
            LEFT JOIN orders_order o ON o.id = t.order_id
            JOIN orders_customer c ON c.id = coalesce(t.customer_id, o.customer_id)
            WHERE t.id = OLD.ticket_id AND c.erased_at IS NOT NULL
        ) THEN
            OLD.body := '';
            IF NEW IS NOT DISTINCT FROM OLD THEN
                RETURN NEW;
            END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'support_message is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION support_forget_messages(tickets bigint[]) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    emptied integer;
BEGIN
    UPDATE support_message SET body = '' WHERE ticket_id = ANY(tickets) AND body <> '';
    GET DIAGNOSTICS emptied = ROW_COUNT;
    RETURN emptied;
END $$;
"""
NO_GUARDS = """
DROP FUNCTION support_forget_messages(bigint[]);
CREATE OR REPLACE FUNCTION support_message_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'support_message is append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER support_mail_forward ON support_outgoingmail;
DROP FUNCTION support_mail_forward();
DROP TRIGGER support_mail_needs_consent ON support_outgoingmail;
DROP FUNCTION support_mail_needs_consent();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0050_consent"),
        ("orders", "0071_customer_guards"),
        ("backoffice", "0002_roles_and_guards"),
    ]

    operations = [
        append_only("support_consentevent"),
        append_only("support_suppression"),
        migrations.RunSQL(GUARDS, NO_GUARDS),
        grant(
            "support",
            {
                "view_consentevent": list(ROLES),
                "view_outgoingmail": list(ROLES),
                "record_consent": DESK,
                "write_customer": DESK,
            },
        ),
    ]
