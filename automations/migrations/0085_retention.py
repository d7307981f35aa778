"""What rules did is let go after its time, in sets, and by no other way.

The application role can't delete events, runs or steps. What it may call refuses anything younger
than 400 days, and leaves alone what is open, waits, or has a case.
"""

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"
ENDED = "('done', 'overtaken', 'skipped', 'cancelled')"

LET_GO = f"""
CREATE FUNCTION automations_let_go(p_after bigint, p_most int, p_days int, OUT last_id bigint,
    OUT more boolean, OUT events bigint, OUT runs bigint)
LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    due timestamptz := now() - make_interval(days => p_days);
    old bigint[];
    gone bigint[];
BEGIN
    IF p_days IS NULL OR p_days < 400 THEN
        PERFORM automations_refuse('Events and runs are kept for at least 400 days.');
    END IF;
    -- By number, not by time: the order in which they were recorded, and an index that is there.
    SELECT max(n.id), coalesce(bool_and(n.recorded_at < due), false),
           array_agg(n.id) FILTER (WHERE n.recorded_at < due)
      INTO last_id, more, old
      FROM (SELECT id, recorded_at FROM automations_event WHERE id > p_after
             ORDER BY id LIMIT least(p_most, 10000)) AS n;
    SELECT array_agg(e.id) INTO old FROM unnest(old) AS e(id)
     WHERE NOT EXISTS (SELECT 1 FROM automations_pendingevent p WHERE p.event_id = e.id)
       AND NOT EXISTS (SELECT 1 FROM automations_run r
            WHERE (r.id BETWEEN e.id * 1000000 AND e.id * 1000000 + 999999
                OR r.id BETWEEN -e.id * 1000000 - 999999 AND -e.id * 1000000)
              AND (r.state NOT IN {ENDED}
                OR EXISTS (SELECT 1 FROM automations_failure f WHERE f.run_id = r.id)
                OR EXISTS (SELECT 1 FROM automations_effect x WHERE x.run_id = r.id
                    AND x.state IN ('intent', 'in_doubt'))));
    -- Runs first: who is undoing one holds its row, and comes before.
    WITH ended AS (
        DELETE FROM automations_run r USING unnest(old) AS e(id)
         WHERE (r.id BETWEEN e.id * 1000000 AND e.id * 1000000 + 999999
             OR r.id BETWEEN -e.id * 1000000 - 999999 AND -e.id * 1000000)
           AND r.state IN {ENDED} RETURNING r.id)
    SELECT array_agg(id), count(*) INTO gone, runs FROM ended;
    DELETE FROM automations_steprun WHERE run_id = ANY(gone);
    DELETE FROM automations_effect WHERE run_id = ANY(gone);
    DELETE FROM automations_limitmark WHERE run_id = ANY(gone);
    DELETE FROM automations_overrun WHERE run_id = ANY(gone);
    WITH told AS (
        DELETE FROM automations_event v WHERE v.id = ANY(old)
            AND NOT EXISTS (SELECT 1 FROM automations_run r
                WHERE r.id BETWEEN v.id * 1000000 AND v.id * 1000000 + 999999
                   OR r.id BETWEEN -v.id * 1000000 - 999999 AND -v.id * 1000000)
        RETURNING 1)
    SELECT count(*) INTO events FROM told;
END $$;
REVOKE ALL ON FUNCTION automations_let_go(bigint, int, int) FROM PUBLIC;

CREATE FUNCTION automations_let_go_of_calls(p_after bigint, p_most int, p_days int,
    OUT last_id bigint, OUT more boolean, OUT calls bigint)
LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    due timestamptz := now() - make_interval(days => p_days);
BEGIN
    IF p_days IS NULL OR p_days < 400 THEN
        PERFORM automations_refuse('Calls of systems outside are kept for at least 400 days.');
    END IF;
    SELECT max(n.id), coalesce(bool_and(n.at < due), false) INTO last_id, more
      FROM (SELECT id, at FROM automations_calllog WHERE id > p_after
             ORDER BY id LIMIT least(p_most, 10000)) AS n;
    WITH gone AS (
        DELETE FROM automations_calllog c
         WHERE c.id > p_after AND c.id <= last_id AND c.at < due
           AND (c.run_id IS NULL
             OR NOT EXISTS (SELECT 1 FROM automations_run r WHERE r.id = c.run_id))
        RETURNING 1)
    SELECT count(*) INTO calls FROM gone;
END $$;
REVOKE ALL ON FUNCTION automations_let_go_of_calls(bigint, int, int) FROM PUBLIC;
"""
UNDO_LET_GO = """
DROP FUNCTION automations_let_go_of_calls(bigint, int, int);
DROP FUNCTION automations_let_go(bigint, int, int);
"""

# An effect that is forgotten could be taken again: only the transaction that claimed it may say
# that it was not taken after all.
EFFECTS = f"""
CREATE FUNCTION automations_effect_stays() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF OLD.at < transaction_timestamp() AND NOT EXISTS (
        SELECT 1 FROM pg_class WHERE oid = TG_RELID AND relowner = current_user::regrole) THEN
        RAISE EXCEPTION 'The record of an effect is never deleted.' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER automations_effect_stays BEFORE DELETE ON automations_effect
    FOR EACH ROW EXECUTE FUNCTION automations_effect_stays();
"""
UNDO_EFFECTS = """
DROP TRIGGER automations_effect_stays ON automations_effect;
DROP FUNCTION automations_effect_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0080_who_gave_the_role")]

    operations = [
        migrations.RunSQL(LET_GO, UNDO_LET_GO),
        migrations.RunSQL(EFFECTS, UNDO_EFFECTS),
    ]
