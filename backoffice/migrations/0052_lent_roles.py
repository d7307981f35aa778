"""A deputy decides in the roles that were lent when a second person agreed, and in no others.

What either of the two gets or loses later changes nothing about what was lent: a role that is taken
away is not had again through an older row, and one that is new is not lent unasked.
"""

from importlib import import_module

import django.contrib.postgres.fields
from django.db import migrations, models

FUNCTIONS = """
CREATE FUNCTION backoffice_lenders(p_user bigint, p_role text) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT DISTINCT d.person_id FROM backoffice_deputy d
     WHERE d.deputy_id = p_user AND d.state = 'agreed' AND d.decided_by_id IS NOT NULL AND p_role = ANY(d.lends)
       AND d.from_at <= statement_timestamp() AND d.until_at > statement_timestamp()
       AND backoffice_holds(d.person_id, ARRAY[p_role]) AND NOT backoffice_holds(p_user, ARRAY[p_role])
       AND backoffice_holds(p_user, ARRAY['operations', 'finance', 'support']);
$$;

CREATE OR REPLACE FUNCTION backoffice_stands_in(p_user bigint, p_role text) RETURNS bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT min(id) FROM backoffice_lenders(p_user, p_role) AS lender (id);
$$;

CREATE OR REPLACE FUNCTION backoffice_givers(p_user bigint, p_role text) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE givers (id) AS (
        SELECT giver FROM backoffice_rolegrant g, unnest(ARRAY[g.asked_by_id, g.decided_by_id]) giver
         WHERE g.user_id = p_user AND g.role = p_role AND g.state = 'held' AND giver IS NOT NULL
        UNION
        SELECT giver FROM backoffice_deputy d, unnest(ARRAY[d.person_id, d.asked_by_id, d.decided_by_id]) giver
         WHERE d.deputy_id = p_user AND d.state = 'agreed' AND d.from_at <= statement_timestamp()
           AND d.until_at > statement_timestamp() AND giver IS NOT NULL
           AND d.person_id IN (SELECT backoffice_lenders(p_user, p_role))
        UNION
        SELECT g.asked_by_id FROM givers JOIN backoffice_rolegrant g ON g.user_id = givers.id
         WHERE g.state IN ('held', 'ended') AND g.asked_by_id IS NOT NULL)
    SELECT id FROM givers;
$$;
"""


def _naming() -> str:
    """The function of 0050, which keeps what is lent."""
    whole: str = import_module("backoffice.migrations.0050_deputies").FUNCTIONS
    begins = whole.index("CREATE FUNCTION backoffice_name_deputy")
    ends = whole.index("CREATE FUNCTION backoffice_decide_deputy")
    told = whole[begins:ends].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)
    for before, after in (
        ("    lends boolean;\n", "    lent text[];\n    lends boolean;\n"),
        (
            "    SELECT EXISTS (\n        SELECT FROM backoffice_user_groups",
            "    SELECT coalesce(array_agg(g.name::text ORDER BY g.name), '{}') INTO lent\n"
            "        FROM backoffice_user_groups",
        ),
        ("ARRAY[g.name::text])) INTO lends;", "ARRAY[g.name::text]);\n    lends := lent <> '{}';"),
        ("state, gives, from_at", "state, gives, lends, from_at"),
        ("END, lends, p_from", "END, lends, lent, p_from"),
        ("'lends_role', lends)", "'lends_role', lends, 'lends', lent)"),
    ):
        if before not in told:
            raise ValueError(before)
        told = told.replace(before, after)
    return told


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0051_notices_by_mail")]

    operations = [
        migrations.AddField(
            model_name="deputy",
            name="lends",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=150), db_default=[], default=list, size=None
            ),
        ),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(_naming(), migrations.RunSQL.noop),
    ]
