from django.db import migrations

from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, OPERATIONS, SUPPORT, grant

READERS = [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR, AUDITOR]

# The ledger booked these facts; a row that changed under it would tell another story.
FACTS_STAY = """
CREATE FUNCTION finance_payment_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'payment % stands as it was received', OLD.number
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER finance_payment_stays BEFORE UPDATE ON finance_payment
    FOR EACH ROW WHEN (
        (OLD.order_id, OLD.provider, OLD.external_id, OLD.amount, OLD.currency, OLD.received_at)
        IS DISTINCT FROM
        (NEW.order_id, NEW.provider, NEW.external_id, NEW.amount, NEW.currency, NEW.received_at)
    ) EXECUTE FUNCTION finance_payment_stays();
CREATE TRIGGER finance_payment_kept BEFORE DELETE ON finance_payment
    FOR EACH ROW EXECUTE FUNCTION finance_payment_stays();

CREATE FUNCTION finance_refund_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refund % stands as it was asked for and decided', OLD.number
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER finance_refund_stays BEFORE UPDATE ON finance_refund
    FOR EACH ROW WHEN (
        (OLD.order_id, OLD.payment_id, OLD.amount, OLD.currency, OLD.requested_by_id)
        IS DISTINCT FROM
        (NEW.order_id, NEW.payment_id, NEW.amount, NEW.currency, NEW.requested_by_id)
        OR (OLD.state <> 'requested' AND NEW.approved_by_id IS DISTINCT FROM OLD.approved_by_id)
        OR (OLD.state IN ('rejected', 'withdrawn', 'paid') AND NEW.state <> OLD.state)
        OR (OLD.state = 'approved' AND NEW.state NOT IN ('approved', 'paid'))
    ) EXECUTE FUNCTION finance_refund_stays();
CREATE TRIGGER finance_refund_kept BEFORE DELETE ON finance_refund
    FOR EACH ROW EXECUTE FUNCTION finance_refund_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("finance", "0003_payments")]

    operations = [
        migrations.RunSQL(
            FACTS_STAY,
            "DROP TRIGGER finance_refund_kept ON finance_refund;"
            "DROP TRIGGER finance_refund_stays ON finance_refund;"
            "DROP FUNCTION finance_refund_stays();"
            "DROP TRIGGER finance_payment_kept ON finance_payment;"
            "DROP TRIGGER finance_payment_stays ON finance_payment;"
            "DROP FUNCTION finance_payment_stays();",
        ),
        grant(
            "finance",
            {
                "view_payment": READERS,
                "record_payment": [FINANCE],
                "view_orderbalance": READERS,
                "view_refund": READERS,
                "request_refund": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR],
                "approve_refund": [FINANCE],
            },
        ),
    ]
