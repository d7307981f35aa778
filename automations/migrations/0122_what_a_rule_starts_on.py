"""What a rule's list says that it starts on follows its version in force, and its draft before.

It was written down once, when the rule was made: a rule whose start was changed afterwards was
found under the old one.
"""

from django.db import migrations

FOLLOW = """
CREATE FUNCTION automations_starts_on(body jsonb) RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT left(coalesce(body -> 'trigger' ->> 'on', body -> 'trigger' ->> 'for',
                         body -> 'trigger' ->> 'manual', ''), 80)
$$;
CREATE FUNCTION automations_rule_starts() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    said text;
BEGIN
    IF TG_TABLE_NAME = 'automations_draft' THEN
        IF EXISTS (SELECT 1 FROM automations_activation a WHERE a.rule_id = NEW.rule_id AND a.mode = 'live') THEN
            RETURN NULL;
        END IF;
        said := automations_starts_on(NEW.body);
    ELSE
        SELECT automations_starts_on(d.text::jsonb) INTO said
          FROM automations_document d WHERE d.id = NEW.document_id;
    END IF;
    UPDATE automations_rule SET trigger = said WHERE id = NEW.rule_id AND trigger <> said;
    RETURN NULL;
END $$;
CREATE TRIGGER automations_rule_starts AFTER UPDATE OF body ON automations_draft
    FOR EACH ROW WHEN (OLD.body -> 'trigger' IS DISTINCT FROM NEW.body -> 'trigger')
    EXECUTE FUNCTION automations_rule_starts();
CREATE TRIGGER automations_rule_starts AFTER INSERT ON automations_activation
    FOR EACH ROW WHEN (NEW.rule_id IS NOT NULL AND NEW.mode = 'live')
    EXECUTE FUNCTION automations_rule_starts();
UPDATE automations_rule r SET trigger = s.said FROM (
    SELECT r.id, automations_starts_on(coalesce(
        (SELECT d.text::jsonb FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
          WHERE a.rule_id = r.id AND a.mode = 'live' ORDER BY a.id DESC LIMIT 1),
        (SELECT f.body FROM automations_draft f WHERE f.rule_id = r.id))) AS said
      FROM automations_rule r) s
 WHERE s.id = r.id AND s.said <> r.trigger;
"""
UNDO = """
DROP TRIGGER automations_rule_starts ON automations_activation;
DROP TRIGGER automations_rule_starts ON automations_draft;
DROP FUNCTION automations_rule_starts();
DROP FUNCTION automations_starts_on(jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("automations", "0121_staging_marks")]
    operations = [migrations.RunSQL(FOLLOW, UNDO)]
