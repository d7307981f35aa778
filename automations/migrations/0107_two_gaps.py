"""Two gaps: a tuned value in a spelling that no document has, and a review by who owned the rule.

PostgreSQL reads numbers and times in more spellings than documents have (0x64, 24:00, infinity): one
of those would be in force, and no engine could read it. And an owner who gave a rule away could say
the day after that it stays.
"""

from importlib import import_module

from django.db import migrations

TUNE: str = import_module("automations.migrations.0104_tuning").TUNE
BEFORE = TUNE[
    TUNE.index("CREATE FUNCTION automations_param_allows(") : TUNE.index("END $$;")
    + len("END $$;")
].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
PLACE = "    RETURN coalesce(CASE kind\n"
# As automations/conditions/values.py reads them.
SPELLED = r"""    IF NOT coalesce(CASE kind
        WHEN 'whole' THEN jsonb_typeof(p_value) = 'number' AND p_value #>> '{}' ~ '^-?[0-9]{1,15}$'
        WHEN 'decimal' THEN p_value #>> '{}' ~ CASE jsonb_typeof(p_value) WHEN 'string'
            THEN '^-?[0-9]{1,15}(\.[0-9]{1,10})?$' ELSE '^-?[0-9]{1,15}$' END
        WHEN 'money' THEN jsonb_typeof(p_value -> 'amount') = 'string'
            AND p_value ->> 'amount' ~ '^-?[0-9]{1,15}(\.[0-9]{1,10})?$'
        WHEN 'duration' THEN p_value #>> '{}' ~ '[0-9][WDHMS]$' AND p_value #>> '{}' ~
            '^P([0-9]{1,5}W|([0-9]{1,6}D)?(T([0-9]{1,7}H)?([0-9]{1,8}M)?([0-9]{1,10}S)?)?)$'
        WHEN 'date' THEN p_value #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'
        WHEN 'time' THEN p_value #>> '{}' ~ '^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$'
        WHEN 'datetime' THEN p_value #>> '{}' ~
            '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.([0-9]{3}){1,2})?)?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])$'
        ELSE true END, false) THEN
        RETURN false;
    END IF;
"""
AFTER = BEFORE.replace(PLACE, SPELLED + PLACE, 1)

REVIEW: str = import_module("automations.migrations.0096_reviews").REVIEW
REVIEW_BEFORE = REVIEW[: REVIEW.index("END $$;") + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
PLACE_OF_ROLE = "        ELSIF automations_role_suits(d.risk, p_role) IS NOT TRUE"
OWNED = """        ELSIF EXISTS (SELECT FROM automations_historicalrule h WHERE h.id = p_rule AND h.owner_id = p_reviewer
                       AND h.history_date > statement_timestamp() - interval '366 days') THEN
            PERFORM automations_refuse('You owned this rule within the last year, so someone else has to say that it stays.');
"""
REVIEW_AFTER = REVIEW_BEFORE.replace(PLACE_OF_ROLE, OWNED + PLACE_OF_ROLE, 1)


class Migration(migrations.Migration):
    dependencies = [("automations", "0106_no_way_round")]

    operations = [
        migrations.RunSQL(AFTER, BEFORE),
        migrations.RunSQL(REVIEW_AFTER, REVIEW_BEFORE),
    ]
