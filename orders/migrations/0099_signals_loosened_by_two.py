"""A signal of fraud screening lets more orders through only by two people of finance.

Tightening takes one. What is wanted stands beside the signal until another agrees.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PINNED = "SET search_path = pg_catalog, public, pg_temp"

SIGNALS = f"""
CREATE FUNCTION orders_signal_is_looser(o orders_risksignal, n orders_risksignal) RETURNS boolean LANGUAGE sql STABLE {PINNED} AS $$
    SELECT CASE WHEN o.mode <> n.mode
        THEN array_position(ARRAY['off', 'monitor', 'review', 'block'], n.mode::text)
           < array_position(ARRAY['off', 'monitor', 'review', 'block'], o.mode::text)
        ELSE n.weight < o.weight OR coalesce(n.orders, 0) > coalesce(o.orders, 0)
          OR coalesce(n.minutes, 0) < coalesce(o.minutes, 0) OR n.mark <> o.mark OR n.kind <> o.kind
          OR NOT o.countries <@ n.countries END;
$$;

CREATE FUNCTION orders_signal_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
        RETURN NEW;  -- one of the two functions below
    ELSIF NEW.wanted IS NOT NULL AND (NEW.wanted, NEW.wanted_by_id) IS DISTINCT FROM (OLD.wanted, OLD.wanted_by_id) THEN
        PERFORM backoffice_refuse('A looser signal is asked for by a person of finance, in their own name.');
    ELSIF orders_signal_is_looser(OLD, NEW) IS NOT FALSE THEN
        PERFORM backoffice_refuse('This would let more orders through: that takes two people of finance.');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_signal_guard BEFORE UPDATE ON orders_risksignal
    FOR EACH ROW EXECUTE FUNCTION orders_signal_guard();

CREATE FUNCTION orders_ask_looser_signal(p_signal bigint, p_wanted jsonb, p_why text, p_by bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER {PINNED} AS $$
BEGIN
    IF NOT backoffice_holds(p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Finance decides what lets more orders through.');
    ELSIF btrim(coalesce(p_why, '')) = '' OR p_wanted IS NULL THEN
        PERFORM backoffice_refuse('Say why: it is kept.');
    END IF;
    UPDATE orders_risksignal SET wanted = p_wanted, wanted_why = p_why, wanted_by_id = p_by, version = version + 1
     WHERE id = p_signal;
END $$;

-- `p_version` is what the person saw. Answers who asked.
CREATE FUNCTION orders_loosen_signal(p_signal bigint, p_version int, p_by bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER {PINNED} AS $$
DECLARE
    s orders_risksignal;
BEGIN
    SELECT * INTO s FROM orders_risksignal WHERE id = p_signal FOR NO KEY UPDATE;
    IF s.wanted IS NULL OR s.version IS DISTINCT FROM p_version THEN
        PERFORM backoffice_refuse('This is asked for no more. Look at the signal again.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Another one of finance has to agree.');
    ELSIF p_by = s.wanted_by_id OR s.wanted_by_id IN (SELECT backoffice_givers(p_by, 'finance')) THEN
        PERFORM backoffice_refuse('You asked for this, or have your role from who did: someone else has to agree.');
    ELSIF NOT backoffice_holds(s.wanted_by_id, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Who asked is of finance no more. Ask again.');
    END IF;
    UPDATE orders_risksignal SET name = s.wanted ->> 'name', mode = s.wanted ->> 'mode',
           weight = (s.wanted ->> 'weight')::smallint, mark = s.wanted ->> 'mark',
           orders = (s.wanted ->> 'orders')::smallint, minutes = (s.wanted ->> 'minutes')::int,
           countries = ARRAY(SELECT jsonb_array_elements_text(s.wanted -> 'countries')),
           wanted = NULL, wanted_why = '', wanted_by_id = NULL, version = version + 1
     WHERE id = p_signal;
    RETURN s.wanted_by_id;
END $$;
REVOKE EXECUTE ON FUNCTION orders_ask_looser_signal(bigint, jsonb, text, bigint), orders_loosen_signal(bigint, int, bigint) FROM PUBLIC;
"""
UNDO = """
DROP FUNCTION orders_loosen_signal(bigint, int, bigint);
DROP FUNCTION orders_ask_looser_signal(bigint, jsonb, text, bigint);
DROP TRIGGER orders_signal_guard ON orders_risksignal;
DROP FUNCTION orders_signal_guard();
DROP FUNCTION orders_signal_is_looser(orders_risksignal, orders_risksignal);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0082_tags_beside_orders"),
        ("backoffice", "0052_lent_roles"),
    ]

    operations = [
        migrations.AddField("risksignal", "wanted", models.JSONField(editable=False, null=True)),
        migrations.AddField(
            "risksignal",
            "wanted_why",
            models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            "risksignal",
            "wanted_by",
            models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunSQL(SIGNALS, UNDO),
    ]
