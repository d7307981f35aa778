"""Within a limit that two people set, one person pays back alone, up to a sum in any 24 hours.

Without a limit every refund needs a second person of finance, and above it each still does. Less
takes one of finance at once; more takes another of finance or an administrator.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, OPERATIONS, SUPPORT, grant

PINNED = "SET search_path = pg_catalog, public, pg_temp"

LIMITS = f"""
CREATE FUNCTION finance_record(p_verb text, p_by bigint, p_detail jsonb) RETURNS void LANGUAGE sql {PINNED} AS $$
    INSERT INTO backoffice_auditentry (verb, subject, subject_id, actor_kind, actor_label, user_id, detail)
    SELECT p_verb, 'finance.refundlimit', NULL, 'person',
           coalesce(nullif(btrim(first_name || ' ' || last_name), ''), username), id, p_detail
      FROM backoffice_user WHERE id = p_by;
$$;

CREATE FUNCTION finance_set_refund_limit(p_currency text, p_amount numeric, p_a_day numeric, p_by bigint)
RETURNS text LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    l finance_refundlimit;
    told jsonb;
BEGIN
    INSERT INTO finance_refundlimit (currency, amount, a_day) SELECT p_currency, 0, 0
     WHERE p_currency ~ '^[A-Z]{{3}}$' ON CONFLICT DO NOTHING;
    SELECT * INTO l FROM finance_refundlimit WHERE currency = p_currency FOR UPDATE;
    IF l.currency IS NULL OR NOT coalesce(p_amount >= 0 AND p_a_day >= p_amount AND p_a_day < 1000000000, false) THEN
        PERFORM backoffice_refuse('Say how much at once, and at least as much in 24 hours.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Finance says what one person may pay back alone.');
    ELSIF (p_amount, p_a_day) = (l.amount, l.a_day) THEN
        PERFORM backoffice_refuse('This is the limit already.');
    END IF;
    told := jsonb_build_object('currency', p_currency, 'before', jsonb_build_array(l.amount, l.a_day),
                               'after', jsonb_build_array(p_amount, p_a_day));
    IF p_amount <= l.amount AND p_a_day <= l.a_day THEN
        UPDATE finance_refundlimit SET amount = p_amount, a_day = p_a_day, wanted = NULL, wanted_a_day = NULL,
               asked_by_id = NULL, asked_at = NULL WHERE currency = p_currency;
        PERFORM finance_record('finance.refund_limit_lowered', p_by, told);
        RETURN 'lowered';
    END IF;
    UPDATE finance_refundlimit SET wanted = p_amount, wanted_a_day = p_a_day, asked_by_id = p_by,
           asked_at = statement_timestamp() WHERE currency = p_currency;
    PERFORM finance_record('finance.refund_limit_asked', p_by, told);
    RETURN 'asked';
END $$;

-- `p_amount` and `p_a_day` are what the person saw.
CREATE FUNCTION finance_agree_refund_limit(
    p_currency text, p_amount numeric, p_a_day numeric, p_by bigint, p_agree boolean
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    l finance_refundlimit;
BEGIN
    SELECT * INTO l FROM finance_refundlimit WHERE currency = p_currency FOR UPDATE;
    IF l.wanted IS NULL OR l.asked_at < statement_timestamp() - interval '30 days'
       OR (l.wanted, l.wanted_a_day) IS DISTINCT FROM (p_amount, p_a_day) THEN
        PERFORM backoffice_refuse('Nobody waits for this any more. Look again.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance', 'administrator']) THEN
        PERFORM backoffice_refuse('Another one of finance or an administrator has to agree.');
    ELSIF p_agree IS TRUE AND (p_by = l.asked_by_id OR l.asked_by_id IN (
        SELECT backoffice_givers(p_by, r.role) FROM (VALUES ('finance'), ('administrator')) r (role))) THEN
        PERFORM backoffice_refuse('You asked for this, or have your role from who did: someone else has to agree.');
    ELSIF p_agree IS TRUE AND NOT backoffice_holds(l.asked_by_id, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Who asked is of finance no more. Ask again.');
    END IF;
    UPDATE finance_refundlimit SET amount = CASE WHEN p_agree IS TRUE THEN l.wanted ELSE l.amount END,
           a_day = CASE WHEN p_agree IS TRUE THEN l.wanted_a_day ELSE l.a_day END,
           wanted = NULL, wanted_a_day = NULL, asked_by_id = NULL, asked_at = NULL WHERE currency = p_currency;
    PERFORM finance_record(CASE WHEN p_agree IS TRUE THEN 'finance.refund_limit_raised' ELSE 'finance.refund_limit_kept' END, p_by,
        jsonb_build_object('currency', p_currency, 'before', jsonb_build_array(l.amount, l.a_day),
                           'after', jsonb_build_array(l.wanted, l.wanted_a_day), 'asked_by', l.asked_by_id));
END $$;
REVOKE EXECUTE ON FUNCTION finance_record(text, bigint, jsonb), finance_set_refund_limit(text, numeric, numeric, bigint),
    finance_agree_refund_limit(text, numeric, numeric, bigint, boolean) FROM PUBLIC;

-- Alone is only who asked, may, and stays within both sums; a lock a person keeps two refunds at
-- once from counting the same money.
CREATE FUNCTION finance_refund_alone() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
DECLARE
    l finance_refundlimit;
    given numeric;
BEGIN
    IF TG_OP = 'INSERT' OR OLD.state <> 'requested' OR NEW.state <> 'approved' OR NEW.is_history
       OR NEW.requested_by_id IS NULL OR NEW.approved_by_id IS DISTINCT FROM NEW.requested_by_id
       OR NOT EXISTS (
            SELECT FROM backoffice_user u JOIN backoffice_user_groups m ON m.user_id = u.id
              JOIN auth_group_permissions gp ON gp.group_id = m.group_id
              JOIN auth_permission p ON p.id = gp.permission_id AND p.codename = 'pay_small_refund'
              JOIN django_content_type t ON t.id = p.content_type_id AND t.app_label = 'finance'
             WHERE u.id = NEW.requested_by_id AND u.is_active) THEN
        RAISE EXCEPTION 'refund % is let go alone only by who asked for it and may', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_alone_by_who_asked';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('finance.refund_alone', NEW.requested_by_id));
    SELECT * INTO l FROM finance_refundlimit WHERE currency = NEW.currency;
    SELECT coalesce(sum(amount), 0) INTO given FROM finance_refund
     WHERE requested_by_id = NEW.requested_by_id AND currency = NEW.currency AND alone AND id <> NEW.id
       AND decided_at > statement_timestamp() - interval '24 hours';
    IF NOT coalesce(NEW.amount <= l.amount AND given + NEW.amount <= l.a_day, false) THEN
        RAISE EXCEPTION 'refund % is over what one person pays back alone', NEW.id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_alone_within_limit';
    END IF;
    -- What the day's sum is counted by is the database's clock.
    NEW.decided_at := statement_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER finance_refund_alone_begins BEFORE INSERT ON finance_refund
    FOR EACH ROW WHEN (NEW.alone) EXECUTE FUNCTION finance_refund_alone();
CREATE TRIGGER finance_refund_alone BEFORE UPDATE ON finance_refund
    FOR EACH ROW WHEN (NEW.alone AND NOT OLD.alone) EXECUTE FUNCTION finance_refund_alone();
CREATE TRIGGER finance_refund_alone_stays BEFORE UPDATE ON finance_refund
    FOR EACH ROW WHEN (OLD.alone AND (NOT NEW.alone OR NEW.decided_at IS DISTINCT FROM OLD.decided_at))
    EXECUTE FUNCTION finance_refund_stays();
DROP TRIGGER finance_refund_approved ON finance_refund;
CREATE TRIGGER finance_refund_approved BEFORE UPDATE ON finance_refund
    FOR EACH ROW WHEN (OLD.approved_by_id IS NULL AND NEW.approved_by_id IS NOT NULL AND NOT NEW.alone)
    EXECUTE FUNCTION finance_refund_four_eyes();
"""
UNDO = """
DROP TRIGGER finance_refund_approved ON finance_refund;
CREATE TRIGGER finance_refund_approved BEFORE UPDATE ON finance_refund
    FOR EACH ROW WHEN (OLD.approved_by_id IS NULL AND NEW.approved_by_id IS NOT NULL)
    EXECUTE FUNCTION finance_refund_four_eyes();
DROP TRIGGER finance_refund_alone_stays ON finance_refund;
DROP TRIGGER finance_refund_alone ON finance_refund;
DROP TRIGGER finance_refund_alone_begins ON finance_refund;
DROP FUNCTION finance_refund_alone();
DROP FUNCTION finance_agree_refund_limit(text, numeric, numeric, bigint, boolean);
DROP FUNCTION finance_set_refund_limit(text, numeric, numeric, bigint);
DROP FUNCTION finance_record(text, bigint, jsonb);
"""


def money(**options: bool) -> models.DecimalField:
    return models.DecimalField(max_digits=19, decimal_places=4, **options)


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0052_lines_of_an_entry_first"),
        ("backoffice", "0052_lent_roles"),
    ]

    operations = [
        migrations.CreateModel(
            name="RefundLimit",
            fields=[
                ("currency", models.CharField(max_length=3, primary_key=True, serialize=False)),
                ("amount", money()),
                ("a_day", money()),
                ("wanted", money(null=True)),
                ("wanted_a_day", money(null=True)),
                ("asked_at", models.DateTimeField(null=True)),
                (
                    "asked_by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(amount__gte=0, a_day__gte=models.F("amount")),
                        name="refundlimit_fits_a_day",
                    )
                ]
            },
        ),
        migrations.AddField(
            "refund", "alone", models.BooleanField(db_default=False, default=False)
        ),
        migrations.RemoveConstraint("refund", "refund_approver_is_not_requester"),
        migrations.AddConstraint(
            "refund",
            models.CheckConstraint(
                condition=models.Q(approved_by__isnull=True)
                | models.Q(requested_by__isnull=True)
                | ~models.Q(approved_by=models.F("requested_by"))
                | models.Q(alone=True),
                name="refund_approver_is_not_requester",
            ),
        ),
        migrations.AddIndex(
            "refund",
            models.Index(
                fields=["requested_by", "decided_at"],
                condition=models.Q(alone=True),
                name="refund_alone_lately",
            ),
        ),
        migrations.AlterModelOptions(
            "refund",
            {
                "permissions": [
                    ("request_refund", "Can ask for refunds"),
                    ("approve_refund", "Can approve and reject refunds"),
                    ("pay_small_refund", "Can pay back alone within the limit"),
                ]
            },
        ),
        migrations.RunSQL(LIMITS, UNDO),
        grant(
            "finance",
            {
                "pay_small_refund": [FINANCE, SUPPORT],
                "view_refundlimit": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR, AUDITOR],
                "change_refundlimit": [FINANCE, ADMINISTRATOR],
            },
        ),
    ]
