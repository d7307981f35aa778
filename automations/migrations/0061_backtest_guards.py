"""A backtest begins with nothing counted, keeps what it is of, and never changes once it is done."""

from django.db import migrations

from backoffice.roles import ROLES, grant

GUARD = """
CREATE FUNCTION automations_backtest_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'queued' OR NEW.sums <> '{}'::jsonb OR NEW.events <> 0 THEN
            RAISE EXCEPTION 'A backtest begins with nothing counted.' USING ERRCODE = 'restrict_violation';
        ELSIF automations_hash(NEW.text, NEW.pins) IS DISTINCT FROM NEW.sha256 THEN
            RAISE EXCEPTION 'The content does not have this hash.' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    ELSIF OLD.state = 'done' THEN
        RAISE EXCEPTION 'A finished backtest is evidence: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF (NEW.rule_id, NEW.text, NEW.pins, NEW.sha256, NEW.live_id, NEW.trigger, NEW.days, NEW.since, NEW.until)
          IS DISTINCT FROM
          (OLD.rule_id, OLD.text, OLD.pins, OLD.sha256, OLD.live_id, OLD.trigger, OLD.days, OLD.since, OLD.until) THEN
        RAISE EXCEPTION 'What a backtest is of never changes.' USING ERRCODE = 'restrict_violation';
    ELSIF NEW.state = 'done' AND NEW.cursor <> NEW.until THEN
        RAISE EXCEPTION 'A backtest is done when it has come to the end of its period.'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_backtest_guard BEFORE INSERT OR UPDATE OR DELETE ON automations_backtest
    FOR EACH ROW EXECUTE FUNCTION automations_backtest_guard();
CREATE FUNCTION automations_backtest_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Finished backtests are evidence: TRUNCATE is refused' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER automations_backtest_no_truncate BEFORE TRUNCATE ON automations_backtest
    FOR EACH STATEMENT EXECUTE FUNCTION automations_backtest_no_truncate();
"""

UNGUARD = """
DROP TRIGGER automations_backtest_no_truncate ON automations_backtest;
DROP FUNCTION automations_backtest_no_truncate();
DROP TRIGGER automations_backtest_guard ON automations_backtest;
DROP FUNCTION automations_backtest_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0060_backtests")]

    operations = [
        migrations.RunSQL(GUARD, UNGUARD),
        grant("automations", {"view_backtest": list(ROLES)}),
    ]
