"""Another owner of a rule in force takes two people.

Its owner changes approved values alone, is kept from the review, and is whose permissions a version
is held against: so who owns it is part of what was agreed to. One person asks, another agrees. To
own nothing any more takes one, and a leaver's rules are handed over at once.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OWNERS = """
CREATE FUNCTION automations_owner_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID) THEN
        RETURN NEW;  -- one of the two functions below
    ELSIF NEW.next_owner_id IS NOT NULL
          AND (NEW.next_owner_id, NEW.next_owner_by_id) IS DISTINCT FROM (OLD.next_owner_id, OLD.next_owner_by_id) THEN
        PERFORM automations_refuse('Another owner is asked for by a person, in their own name.');
    ELSIF NEW.owner_id IS DISTINCT FROM OLD.owner_id AND NEW.owner_id IS NOT NULL
          AND automations_live_since(NEW.id) IS NOT NULL
          AND NOT EXISTS (SELECT FROM backoffice_user WHERE id = OLD.owner_id AND NOT is_active) THEN
        PERFORM automations_refuse('This rule is in force: another owner takes two people.');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER automations_owner_guard BEFORE UPDATE ON automations_rule
    FOR EACH ROW WHEN ((NEW.owner_id, NEW.next_owner_id, NEW.next_owner_by_id)
                       IS DISTINCT FROM (OLD.owner_id, OLD.next_owner_id, OLD.next_owner_by_id))
    EXECUTE FUNCTION automations_owner_guard();

CREATE FUNCTION automations_ask_owner(p_rule bigint, p_to bigint, p_by bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
BEGIN
    SELECT id, owner_id, retired_at INTO owned FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    PERFORM automations_person(p_by);
    PERFORM automations_person(p_to);
    IF owned.id IS NULL OR owned.retired_at IS NOT NULL THEN
        PERFORM automations_refuse('This rule is retired.');
    ELSIF owned.owner_id IS NOT DISTINCT FROM p_to THEN
        PERFORM automations_refuse('They own this rule already.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'support', 'administrator']) THEN
        PERFORM automations_refuse('Your role does not say who owns a rule.');
    END IF;
    UPDATE automations_rule SET next_owner_id = p_to, next_owner_by_id = p_by WHERE id = p_rule;
    PERFORM automations_audit('rules.owner_asked', 'automations.rule', p_rule, p_by,
        jsonb_build_object('owner', p_to, 'owner_before', owned.owner_id));
END $$;

-- `p_to` is whom the person saw: nobody agrees to somebody else than they read.
CREATE FUNCTION automations_change_owner(p_rule bigint, p_to bigint, p_by bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    owned record;
BEGIN
    SELECT id, owner_id, retired_at, next_owner_id, next_owner_by_id INTO owned
      FROM automations_rule WHERE id = p_rule FOR NO KEY UPDATE;
    PERFORM automations_person(p_by);
    IF owned.id IS NULL OR owned.retired_at IS NOT NULL OR owned.next_owner_id IS NULL
       OR owned.next_owner_id IS DISTINCT FROM p_to THEN
        PERFORM automations_refuse('This is asked for no more. Look at the rule again.');
    ELSIF p_by = owned.next_owner_by_id OR EXISTS (
        SELECT FROM backoffice_deputy d WHERE d.state = 'agreed'
           AND d.from_at <= statement_timestamp() AND d.until_at > statement_timestamp()
           AND (d.person_id, d.deputy_id) IN ((p_by, owned.next_owner_by_id), (owned.next_owner_by_id, p_by))) THEN
        PERFORM automations_refuse('You asked for this, or stand in for who did. Someone else has to agree.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'support']) THEN
        PERFORM automations_refuse('Someone of operations, finance or support has to agree.');
    END IF;
    PERFORM automations_person(owned.next_owner_by_id);
    PERFORM automations_person(p_to);
    UPDATE automations_rule SET owner_id = p_to, next_owner_id = NULL, next_owner_by_id = NULL, version = version + 1
     WHERE id = p_rule;
    -- Who owned it lately can't say that it stays: the review reads this.
    INSERT INTO automations_historicalrule
    SELECT (jsonb_populate_record(NULL::automations_historicalrule, to_jsonb(r) || jsonb_build_object(
        'history_id', nextval(pg_get_serial_sequence('automations_historicalrule', 'history_id')),
        'history_date', clock_timestamp(), 'history_type', '~', 'history_user_id', p_by))).*
      FROM automations_rule r WHERE r.id = p_rule;
    PERFORM automations_audit('rules.owner_changed', 'automations.rule', p_rule, p_by,
        jsonb_build_object('owner', p_to, 'owner_before', owned.owner_id, 'asked_by', owned.next_owner_by_id));
END $$;
REVOKE EXECUTE ON FUNCTION automations_ask_owner(bigint, bigint, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION automations_change_owner(bigint, bigint, bigint) FROM PUBLIC;
"""
UNDO = """
DROP FUNCTION automations_change_owner(bigint, bigint, bigint);
DROP FUNCTION automations_ask_owner(bigint, bigint, bigint);
DROP TRIGGER automations_owner_guard ON automations_rule;
DROP FUNCTION automations_owner_guard();
"""


def person() -> models.ForeignKey:
    return models.ForeignKey(
        db_index=False,
        editable=False,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0107_two_gaps"),
        ("backoffice", "0052_lent_roles"),
    ]

    operations = [
        migrations.AddField("rule", "next_owner", person()),
        migrations.AddField("rule", "next_owner_by", person()),
        migrations.RunSQL(OWNERS, UNDO),
    ]
