"""Nobody is the second person for whoever gave them their role, or whose role they asked for.

An administrator who once got a role agreed to for a second account of theirs would have been both
of the two people for every role after that. The owner of the database stays outside of it
(`manage.py give_role`): a role from there stems from nobody.
"""

from importlib import import_module

from django.db import migrations

PINNED = "SET search_path = pg_catalog, public, pg_temp"

HELPERS = f"""
-- Everyone who asked that a person gets what they hold, who asked that these get theirs, and so on.
CREATE FUNCTION backoffice_put_in_by(p_user bigint) RETURNS SETOF bigint LANGUAGE sql STABLE {PINNED} AS $$
    WITH RECURSIVE up (id) AS (
        SELECT g.asked_by_id FROM backoffice_rolegrant g
         WHERE g.user_id = p_user AND g.state = 'held' AND g.asked_by_id IS NOT NULL
        UNION
        SELECT g.asked_by_id FROM up JOIN backoffice_rolegrant g ON g.user_id = up.id
         WHERE g.state IN ('held', 'ended') AND g.asked_by_id IS NOT NULL)
    SELECT id FROM up;
$$;

-- Whether a person could agree in a role (one of `p_roles`) in which the other had no hand.
CREATE FUNCTION backoffice_stands_alone(p_person bigint, p_other bigint, p_roles text[]) RETURNS boolean
LANGUAGE sql STABLE {PINNED} AS $$
    SELECT EXISTS (SELECT FROM unnest(p_roles) held (role)
                    WHERE backoffice_holds(p_person, ARRAY[held.role])
                      AND p_other NOT IN (SELECT backoffice_givers(p_person, held.role)));
$$;

-- Whether two people are two wills: neither has their role through the other.
CREATE FUNCTION backoffice_apart(p_asker bigint, p_second bigint, p_roles text[]) RETURNS boolean
LANGUAGE sql STABLE {PINNED} AS $$
    SELECT p_second <> p_asker AND backoffice_stands_alone(p_second, p_asker, p_roles)
       AND p_second NOT IN (SELECT backoffice_put_in_by(p_asker));
$$;

-- Who links two people who are two wills all the same: one person who asked that both get their
-- role, or the second who agreed to the role of who asks. For auditors to look at.
CREATE FUNCTION backoffice_links(p_asker bigint, p_second bigint) RETURNS SETOF bigint LANGUAGE sql STABLE {PINNED} AS $$
    SELECT backoffice_put_in_by(p_asker) INTERSECT SELECT backoffice_put_in_by(p_second)
    UNION SELECT p_second WHERE EXISTS (SELECT FROM backoffice_rolegrant g
        WHERE g.user_id = p_asker AND g.state = 'held' AND g.decided_by_id = p_second);
$$;
"""
UNDO_HELPERS = """
DROP FUNCTION backoffice_links(bigint, bigint);
DROP FUNCTION backoffice_apart(bigint, bigint, text[]);
DROP FUNCTION backoffice_stands_alone(bigint, bigint, text[]);
DROP FUNCTION backoffice_put_in_by(bigint);
"""

AGREES = "ARRAY['administrator', 'finance']"
REFUSED = (
    "You have your role from who asks, or gave them theirs: someone else has to agree. "
    "If nobody else can, the owner of the database gives a role."
)
MINE = "        PERFORM backoffice_refuse('You asked for this, or it is about you: someone else has to agree.');\n"
OF_ROLE = f"""    ELSIF NOT backoffice_apart(g.asked_by_id, p_by, {AGREES}) THEN
        PERFORM backoffice_refuse('{REFUSED}');
"""
# A deputy, and who is away, have their will in it too; an administrator may have put them in.
OF_DEPUTY = f"""    ELSIF NOT backoffice_apart(d.asked_by_id, p_by, {AGREES})
          OR NOT backoffice_stands_alone(p_by, d.person_id, {AGREES})
          OR NOT backoffice_stands_alone(p_by, d.deputy_id, {AGREES}) THEN
        PERFORM backoffice_refuse('{REFUSED}');
"""


def _of(whole: str, name: str) -> str:
    """One function of an earlier migration, to be put in place again."""
    begins = whole.index(f"CREATE FUNCTION {name}(")
    ends = whole.index("END $$;", begins) + len("END $$;")
    return whole[begins:ends].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1)


def _with(before: str, more: str) -> str:
    if before.count(MINE) != 1:
        raise ValueError(before)
    return before.replace(MINE, MINE + more)


ROLE = _of(import_module("backoffice.migrations.0042_role_grants").ASK, "backoffice_decide_role")
DEPUTY = _of(import_module("backoffice.migrations.0050_deputies").FUNCTIONS, "backoffice_decide_deputy")


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0054_caught_mail")]

    operations = [
        migrations.RunSQL(HELPERS, UNDO_HELPERS),
        migrations.RunSQL(_with(ROLE, OF_ROLE), ROLE),
        migrations.RunSQL(_with(DEPUTY, OF_DEPUTY), DEPUTY),
    ]
