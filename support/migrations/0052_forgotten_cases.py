"""What was written in cases of an erased customer, and kept of calls about them, is emptied.

PostgreSQL empties it for erased customers alone. Mail that a server refuses for now waits again,
which a mail that may have left never does.
"""

from django.db import migrations, models

PINNED = "SET search_path = pg_catalog, public, pg_temp"

FORGET = f"""
-- The records of these customers that cases and runs can be about.
CREATE FUNCTION support_records_of(p_customers bigint[]) RETURNS TABLE (subject text, subject_id bigint)
LANGUAGE sql STABLE {PINNED} AS $$
    WITH o AS (SELECT id FROM orders_order WHERE customer_id = ANY(p_customers))
    SELECT 'orders.customer', unnest(p_customers)
    UNION ALL SELECT 'orders.order', id FROM o
    UNION ALL SELECT 'orders.returnorder', r.id FROM orders_returnorder r
               WHERE r.customer_id = ANY(p_customers) OR r.order_id IN (SELECT id FROM o)
    UNION ALL SELECT 'orders.claim', c.id FROM orders_claim c JOIN o ON o.id = c.order_id
    UNION ALL SELECT 'orders.exchange', x.id FROM orders_exchange x JOIN o ON o.id = x.order_id
    UNION ALL SELECT 'orders.review', v.id FROM orders_review v JOIN o ON o.id = v.order_id
    UNION ALL SELECT 'orders.package', p.id FROM orders_package p JOIN o ON o.id = p.order_id
    UNION ALL SELECT 'finance.payment', p.id FROM finance_payment p JOIN o ON o.id = p.order_id
    UNION ALL SELECT 'finance.refund', f.id FROM finance_refund f JOIN o ON o.id = f.order_id
    UNION ALL SELECT 'support.ticket', t.id FROM support_ticket t
               WHERE t.customer_id = ANY(p_customers) OR t.order_id IN (SELECT id FROM o);
$$;
CREATE FUNCTION support_comments_of(p_customers bigint[]) RETURNS SETOF bigint LANGUAGE sql STABLE {PINNED} AS $$
    SELECT a.id FROM automations_failureaction a JOIN automations_failure f ON f.id = a.failure_id
      JOIN support_records_of(p_customers) r ON r.subject = f.subject AND r.subject_id = f.subject_id
     WHERE a.text <> '' OR a.reference <> '' OR a.changes <> '{{}}';
$$;
CREATE FUNCTION support_calls_of(p_customers bigint[]) RETURNS SETOF bigint LANGUAGE sql STABLE {PINNED} AS $$
    SELECT c.id FROM support_records_of(p_customers) r
      JOIN automations_event e ON e.subject = r.subject AND e.subject_id = r.subject_id
      JOIN automations_run n ON n.id BETWEEN e.id * 1000000 AND e.id * 1000000 + 999999
      JOIN automations_calllog c ON c.run_id = n.id
     WHERE c.request IS NOT NULL OR c.response IS NOT NULL OR c.says <> '';
$$;
CREATE FUNCTION support_forget_cases(p_customers bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    erased bigint[] := ARRAY(SELECT id FROM orders_customer WHERE id = ANY(p_customers) AND erased_at IS NOT NULL);
BEGIN
    UPDATE automations_failureaction SET text = '', reference = '', changes = '{{}}'
     WHERE id IN (SELECT support_comments_of(erased));
    UPDATE automations_calllog SET request = NULL, response = NULL, says = ''
     WHERE id IN (SELECT support_calls_of(erased));
END $$;
REVOKE EXECUTE ON FUNCTION support_forget_cases(bigint[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION support_mail_forward() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF OLD.state = 'sending' AND NEW.state = 'queued' AND NEW.tries = OLD.tries + 1 AND NEW.due_at > statement_timestamp() THEN
        RETURN NEW;  -- the server said that it did not take it
    END IF;
    RAISE EXCEPTION 'A mail that is % does not become %', OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
END $$;
"""
UNDO = f"""
CREATE OR REPLACE FUNCTION support_mail_forward() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    RAISE EXCEPTION 'A mail that is % does not become %', OLD.state, NEW.state
        USING ERRCODE = 'restrict_violation';
END $$;
DROP FUNCTION support_forget_cases(bigint[]);
DROP FUNCTION support_calls_of(bigint[]);
DROP FUNCTION support_comments_of(bigint[]);
DROP FUNCTION support_records_of(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0051_consent_guards"),
        ("automations", "0109_emptied_when_forgotten"),
        ("finance", "0051_claims_and_exchanges"),
        ("orders", "0082_tags_beside_orders"),
    ]

    operations = [
        migrations.AddField(
            "outgoingmail", "tries", models.SmallIntegerField(db_default=0, default=0)
        ),
        migrations.AddField("outgoingmail", "due_at", models.DateTimeField(null=True)),
        migrations.RunSQL(FORGET, UNDO),
    ]
