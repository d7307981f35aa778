"""What asked for a verdict, a second person, an owner or a case's end is over once it has it."""

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"

OVER = f"""
CREATE FUNCTION automations_document_decided() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over('approval:' || NEW.id || ':waits'),
            backoffice_notices_over('approval:' || NEW.id || ':second'),
            backoffice_notices_over('left-waiting:' || NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER automations_document_decided AFTER UPDATE OF state ON automations_document FOR EACH ROW
    WHEN (OLD.state = 'submitted' AND NEW.state <> 'submitted') EXECUTE FUNCTION automations_document_decided();

-- Whoever said yes as the first of two is asked no more; the others are.
CREATE FUNCTION automations_approver_is_done() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over('approval:' || NEW.document_id || ':waits', NEW.approver_id);
    RETURN NULL;
END $$;
CREATE TRIGGER automations_approver_is_done AFTER INSERT ON automations_approval
    FOR EACH ROW EXECUTE FUNCTION automations_approver_is_done();

CREATE FUNCTION automations_emergency_decided() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF OLD.state = 'asked' AND NEW.state <> 'asked' THEN
        PERFORM backoffice_notices_over('emergency:' || NEW.id || ':asked');
    END IF;
    IF OLD.reviewed_at IS NULL AND NEW.reviewed_at IS NOT NULL THEN
        PERFORM backoffice_notices_over('emergency-over:' || NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER automations_emergency_decided AFTER UPDATE ON automations_emergency
    FOR EACH ROW EXECUTE FUNCTION automations_emergency_decided();

CREATE FUNCTION automations_quorum_decided() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over('quorum:' || NEW.risk);
    RETURN NULL;
END $$;
CREATE TRIGGER automations_quorum_decided AFTER UPDATE ON automations_approvalpolicy FOR EACH ROW
    WHEN (OLD.wanted IS NOT NULL AND (NEW.wanted, NEW.asked_at) IS DISTINCT FROM (OLD.wanted, OLD.asked_at))
    EXECUTE FUNCTION automations_quorum_decided();

CREATE FUNCTION automations_owner_decided() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over('owner:' || NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER automations_owner_decided AFTER UPDATE OF next_owner_id ON automations_rule FOR EACH ROW
    WHEN (OLD.next_owner_id IS NOT NULL AND NEW.next_owner_id IS DISTINCT FROM OLD.next_owner_id)
    EXECUTE FUNCTION automations_owner_decided();

-- A case that is answered, tried again, solved or with somebody else asks nothing more of those who
-- were told; one that fails again is told anew.
CREATE FUNCTION automations_case_decided() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over('handed:' || NEW.id);
    IF OLD.escalated > 0 THEN  -- most never were: they are closed by the thousand
        PERFORM backoffice_notices_over('late:1:' || NEW.id), backoffice_notices_over('late:2:' || NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER automations_case_decided AFTER UPDATE ON automations_failure FOR EACH ROW
    WHEN (NEW.state IN ('resolved', 'retrying') AND OLD.state NOT IN ('resolved', 'retrying')
          OR (NEW.owner_id, NEW.team) IS DISTINCT FROM (OLD.owner_id, OLD.team))
    EXECUTE FUNCTION automations_case_decided();
"""
UNDO = """
DROP TRIGGER automations_case_decided ON automations_failure;
DROP FUNCTION automations_case_decided();
DROP TRIGGER automations_owner_decided ON automations_rule;
DROP FUNCTION automations_owner_decided();
DROP TRIGGER automations_quorum_decided ON automations_approvalpolicy;
DROP FUNCTION automations_quorum_decided();
DROP TRIGGER automations_emergency_decided ON automations_emergency;
DROP FUNCTION automations_emergency_decided();
DROP TRIGGER automations_approver_is_done ON automations_approval;
DROP FUNCTION automations_approver_is_done();
DROP TRIGGER automations_document_decided ON automations_document;
DROP FUNCTION automations_document_decided();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0124_events_in_one_piece"),
        ("backoffice", "0056_notices_over"),
    ]

    operations = [migrations.RunSQL(OVER, UNDO)]
