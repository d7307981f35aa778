"""Ways round the second person, closed: deputies of several, copies of an emergency, old effects.

A yes is one's own or of any person one stands in for, so none of them counts twice. The number of
approvers is set by people of finance themselves. Whoever had a hand in an emergency has no other
until it is reviewed, and a version that is turned down stops acting. What an effect is called
never changes.
"""

from importlib import import_module

from django.db import migrations


def _changed(module: str, text: str, *changes: tuple[str, str]) -> str:
    told: str = getattr(import_module(f"automations.migrations.{module}"), text)
    for before, after in changes:
        if before not in told:
            raise ValueError(before)
        told = told.replace(before, after)
    return told


def _one(whole: str, name: str) -> str:
    """One function out of several."""
    begins = whole.index(f"CREATE FUNCTION {name}(")
    ends = whole.index("END $$;", begins) + len("END $$;")
    return whole[begins:ends].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


DECIDE = _changed(
    "0102_quorum",
    "DECIDE",
    (
        """         WHERE known.id IN (p_approver, lender) OR EXISTS (
            SELECT FROM automations_approval p WHERE p.document_id = d.id AND p.approver_id = known.id
               AND backoffice_stands_in(known.id, p.role) IN (p_approver, lender))) THEN""",
        """         WHERE known.id = p_approver OR known.id IN (SELECT backoffice_lenders(p_approver, p_role)) OR EXISTS (
            SELECT FROM automations_approval p, backoffice_lenders(known.id, p.role) AS other (id)
             WHERE p.document_id = d.id AND p.approver_id = known.id
               AND (other.id = p_approver OR other.id IN (SELECT backoffice_lenders(p_approver, p_role))))) THEN""",
    ),
    (
        "WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' ELSE 'changes' END WHERE id = d.id;\n    END IF;",
        """WHEN 'approve' THEN 'approved' WHEN 'reject' THEN 'rejected' ELSE 'changes' END WHERE id = d.id;
    END IF;
    IF p_verdict <> 'approve' THEN
        -- What acts in an emergency acts no more once it is turned down.
        UPDATE automations_emergency SET state = 'ended', ended_at = clock_timestamp(), ended_by_id = p_approver
         WHERE document_id = d.id AND state = 'agreed';
        IF FOUND THEN
            UPDATE automations_activation SET until_at = least(expires_at, clock_timestamp()), ended_by_id = p_approver
             WHERE document_id = d.id AND mode = 'emergency' AND until_at IS NULL;
            PERFORM automations_next_epoch();
        END IF;
    END IF;""",
    ),
).replace("CREATE FUNCTION automations_valid_approvers", "CREATE OR REPLACE FUNCTION automations_valid_approvers")

QUORUM = _one(
    _changed(
        "0102_quorum",
        "POLICY",
        (
            "ELSIF NOT automations_has_role(p_by, 'finance') THEN",
            "ELSIF NOT backoffice_holds(p_by, ARRAY['finance']) THEN",
        ),
    ),
    "automations_set_quorum",
)
AGREE_QUORUM = _one(
    _changed(
        "0102_quorum",
        "POLICY",
        (
            "AND NOT automations_has_role(p.asked_by_id, 'finance') THEN",
            "AND NOT backoffice_holds(p.asked_by_id, ARRAY['finance']) THEN",
        ),
    ),
    "automations_agree_quorum",
)

ASK = _one(
    _changed(
        "0103_emergencies",
        "FUNCTIONS",
        (
            "IF EXISTS (SELECT FROM automations_emergency WHERE rule_id = d.rule_id AND agreed_at IS NOT NULL AND reviewed_at IS NULL) THEN",
            "IF EXISTS (SELECT FROM automations_emergency WHERE (rule_id = d.rule_id OR sha256 = d.sha256) AND agreed_at IS NOT NULL AND reviewed_at IS NULL) THEN",
        ),
        (
            "        PERFORM automations_refuse('The last emergency of this rule is not reviewed yet, so there is no other.');\n",
            """        PERFORM automations_refuse('The last emergency of this rule is not reviewed yet, so there is no other.');
    ELSIF EXISTS (SELECT FROM automations_emergency WHERE p_by IN (asked_by_id, agreed_by_id)
                   AND agreed_at IS NOT NULL AND reviewed_at IS NULL) THEN
        PERFORM automations_refuse('You had a hand in an emergency that is not reviewed yet, so someone else has to ask.');
""",
        ),
    ),
    "automations_ask_emergency",
)
AGREE = _one(
    _changed(
        "0103_emergencies",
        "FUNCTIONS",
        (
            "        PERFORM automations_refuse('You asked for this, so someone else has to agree.');\n",
            """        PERFORM automations_refuse('You asked for this, so someone else has to agree.');
    ELSIF EXISTS (SELECT FROM automations_emergency o WHERE o.id <> e.id AND o.agreed_at IS NOT NULL AND o.reviewed_at IS NULL
                   AND (p_by IN (o.asked_by_id, o.agreed_by_id) OR e.asked_by_id IN (o.asked_by_id, o.agreed_by_id))) THEN
        PERFORM automations_refuse('One of you had a hand in an emergency that is not reviewed yet, so it takes two others.');
""",
        ),
    ),
    "automations_agree_emergency",
)

# Who, of which run, at which step: the key under which it is never taken again, and since when.
EFFECTS = """
CREATE FUNCTION automations_effect_keeps_its_name() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'What an effect is, and since when, never changes.' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER automations_effect_keeps_its_name BEFORE UPDATE ON automations_effect
    FOR EACH ROW WHEN (
        (OLD.run_id, OLD.uid, OLD.target, OLD.generation) IS DISTINCT FROM (NEW.run_id, NEW.uid, NEW.target, NEW.generation)
        OR ((OLD.action, OLD.at) IS DISTINCT FROM (NEW.action, NEW.at) AND NOT (OLD.state = 'failed' AND NEW.state = 'intent')))
    EXECUTE FUNCTION automations_effect_keeps_its_name();
"""
UNDO_EFFECTS = """
DROP TRIGGER automations_effect_keeps_its_name ON automations_effect;
DROP FUNCTION automations_effect_keeps_its_name();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("automations", "0105_cases_as_tests"),
        ("backoffice", "0052_lent_roles"),
    ]

    operations = [
        migrations.RunSQL([DECIDE, QUORUM, AGREE_QUORUM, ASK, AGREE], migrations.RunSQL.noop),
        migrations.RunSQL(EFFECTS, UNDO_EFFECTS),
    ]
