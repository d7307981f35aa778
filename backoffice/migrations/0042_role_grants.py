"""Who holds a role is read by the application, and given by functions: one asks, another agrees.

Whoever holds a role approves, lets money go or lets others in, so no role comes by one person alone:
an administrator asks, another administrator or someone of finance agrees. Only `auditor`, which
decides nothing, is given by one. A database owner gives a role where there is nobody to agree
(`manage.py give_role`), in writing.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from backoffice.roles import ADMINISTRATOR, FINANCE, grant

HELPERS = """
CREATE FUNCTION backoffice_refuse(p_message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', p_message USING ERRCODE = 'CS001';
END $$;

CREATE FUNCTION backoffice_holds(p_user bigint, p_roles text[]) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM backoffice_user u JOIN backoffice_user_groups m ON m.user_id = u.id
                     JOIN auth_group g ON g.id = m.group_id
                    WHERE u.id = p_user AND u.is_active AND g.name = ANY (p_roles));
$$;

CREATE FUNCTION backoffice_record(p_verb text, p_user bigint, p_by bigint, p_detail jsonb)
RETURNS void LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
    INSERT INTO backoffice_auditentry (verb, subject, subject_id, actor_kind, actor_label, user_id, detail)
    SELECT p_verb, 'backoffice.user', p_user, CASE WHEN p_by IS NULL THEN 'system' ELSE 'person' END,
           coalesce((SELECT coalesce(nullif(btrim(first_name || ' ' || last_name), ''), username)
                       FROM backoffice_user WHERE id = p_by), 'The owner of the database'), p_by, p_detail;
$$;

-- Two administrators who demote each other at once would leave none; always in one order.
CREATE FUNCTION backoffice_lock_people(p_user bigint) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM 1 FROM backoffice_user WHERE id = p_user OR id IN (
        SELECT m.user_id FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id
         WHERE g.name = 'administrator') ORDER BY id FOR NO KEY UPDATE;
END $$;

-- Everyone who had a hand in how a person came by a role: who asked, who agreed, and who asked for
-- these two to have a role, and so on.
CREATE FUNCTION backoffice_givers(p_user bigint, p_role text) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE givers (id) AS (
        SELECT giver FROM backoffice_rolegrant g, unnest(ARRAY[g.asked_by_id, g.decided_by_id]) giver
         WHERE g.user_id = p_user AND g.role = p_role AND g.state = 'held' AND giver IS NOT NULL
        UNION
        SELECT g.asked_by_id FROM givers JOIN backoffice_rolegrant g ON g.user_id = givers.id
         WHERE g.state IN ('held', 'ended') AND g.asked_by_id IS NOT NULL)
    SELECT id FROM givers;
$$;
"""
UNDO_HELPERS = """
DROP FUNCTION backoffice_givers(bigint, text);
DROP FUNCTION backoffice_lock_people(bigint);
DROP FUNCTION backoffice_record(text, bigint, bigint, jsonb);
DROP FUNCTION backoffice_holds(bigint, text[]);
DROP FUNCTION backoffice_refuse(text);
"""

# Writes with the rights of its caller: the functions below have them, the application has not.
APPLY = """
CREATE FUNCTION backoffice_apply_role(p_grant bigint) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    g backoffice_rolegrant;
    before jsonb;
BEGIN
    SELECT * INTO g FROM backoffice_rolegrant WHERE id = p_grant;
    IF g.role <> 'administrator' AND backoffice_holds(g.user_id, ARRAY['administrator']) AND NOT EXISTS (
        SELECT FROM backoffice_user u WHERE u.id <> g.user_id AND backoffice_holds(u.id, ARRAY['administrator'])) THEN
        PERFORM backoffice_refuse('At least one active administrator must remain.');
    END IF;
    SELECT coalesce(jsonb_agg(o.name ORDER BY o.name), '[]') INTO before
      FROM backoffice_user_groups m JOIN auth_group o ON o.id = m.group_id WHERE m.user_id = g.user_id;
    UPDATE backoffice_rolegrant SET state = 'ended', ended_at = statement_timestamp()
     WHERE user_id = g.user_id AND state = 'held';
    DELETE FROM backoffice_user_groups WHERE user_id = g.user_id;
    INSERT INTO backoffice_user_groups (user_id, group_id) SELECT g.user_id, id FROM auth_group WHERE name = g.role;
    UPDATE backoffice_rolegrant SET state = 'held' WHERE id = g.id;
    PERFORM backoffice_record('staff.role_changed', g.user_id, coalesce(g.decided_by_id, g.asked_by_id),
        jsonb_build_object('role', g.role, 'before', before, 'grant', g.id, 'asked_by', g.asked_by_id, 'why', g.why));
END $$;
"""

ASK = """
CREATE FUNCTION backoffice_ask_role(p_user bigint, p_role text, p_by bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    fresh bigint;
BEGIN
    PERFORM backoffice_lock_people(p_user);
    IF NOT EXISTS (SELECT FROM backoffice_user WHERE id = p_user) THEN
        PERFORM backoffice_refuse('There is no such person.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['administrator']) THEN
        PERFORM backoffice_refuse('Only an administrator gives roles.');
    ELSIF p_by = p_user THEN
        PERFORM backoffice_refuse('You can''t change your own role.');
    ELSIF p_role IS NULL OR p_role NOT IN ('operations', 'finance', 'support', 'administrator', 'auditor') THEN
        PERFORM backoffice_refuse('There is no such role.');
    END IF;
    UPDATE backoffice_rolegrant SET state = 'replaced', ended_at = statement_timestamp()
     WHERE user_id = p_user AND state = 'asked';
    INSERT INTO backoffice_rolegrant (user_id, role, state, why, asked_by_id)
    VALUES (p_user, p_role, 'asked', '', p_by) RETURNING id INTO fresh;
    IF p_role = 'auditor' THEN
        PERFORM backoffice_apply_role(fresh);  -- it decides nothing
    ELSE
        PERFORM backoffice_record('staff.role_asked', p_user, p_by, jsonb_build_object('role', p_role, 'grant', fresh));
    END IF;
    RETURN fresh;
END $$;

CREATE FUNCTION backoffice_decide_role(p_grant bigint, p_by bigint, p_agree boolean) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    g backoffice_rolegrant;
BEGIN
    SELECT * INTO g FROM backoffice_rolegrant WHERE id = p_grant;
    PERFORM backoffice_lock_people(g.user_id);
    SELECT * INTO g FROM backoffice_rolegrant WHERE id = p_grant FOR UPDATE;
    IF g.id IS NULL OR g.state <> 'asked' THEN
        PERFORM backoffice_refuse('Nobody waits for this any more.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['administrator', 'finance']) THEN
        PERFORM backoffice_refuse('Another administrator or someone of finance has to agree.');
    ELSIF p_agree IS NOT TRUE THEN
        UPDATE backoffice_rolegrant SET state = 'refused', decided_by_id = p_by, decided_at = statement_timestamp(),
               ended_at = statement_timestamp() WHERE id = g.id;
        PERFORM backoffice_record('staff.role_turned_down', g.user_id, p_by,
            jsonb_build_object('role', g.role, 'grant', g.id, 'asked_by', g.asked_by_id));
        RETURN;
    ELSIF p_by IN (g.asked_by_id, g.user_id) THEN
        PERFORM backoffice_refuse('You asked for this, or it is about you: someone else has to agree.');
    ELSIF NOT backoffice_holds(g.asked_by_id, ARRAY['administrator'])
          OR g.asked_at < statement_timestamp() - interval '30 days' THEN
        PERFORM backoffice_refuse('Who asked is no administrator any more, or it is over 30 days old. Ask again.');
    END IF;
    UPDATE backoffice_rolegrant SET decided_by_id = p_by, decided_at = statement_timestamp() WHERE id = g.id;
    PERFORM backoffice_apply_role(g.id);
END $$;

-- Where there is nobody to agree. Not SECURITY DEFINER: the owner alone has the rights it needs.
CREATE FUNCTION backoffice_bootstrap_role(p_user bigint, p_role text, p_why text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    fresh bigint;
BEGIN
    IF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM backoffice_refuse('Say why nobody else can agree: it is kept.');
    END IF;
    PERFORM backoffice_lock_people(p_user);
    UPDATE backoffice_rolegrant SET state = 'replaced', ended_at = statement_timestamp()
     WHERE user_id = p_user AND state = 'asked';
    INSERT INTO backoffice_rolegrant (user_id, role, state, why) VALUES (p_user, p_role, 'asked', p_why)
    RETURNING id INTO fresh;
    PERFORM backoffice_apply_role(fresh);
    RETURN fresh;
END $$;
REVOKE EXECUTE ON FUNCTION backoffice_ask_role(bigint, text, bigint), backoffice_decide_role(bigint, bigint, boolean),
    backoffice_bootstrap_role(bigint, text, text), backoffice_apply_role(bigint) FROM PUBLIC;
"""
UNDO_ASK = """
DROP FUNCTION backoffice_bootstrap_role(bigint, text, text);
DROP FUNCTION backoffice_decide_role(bigint, bigint, boolean);
DROP FUNCTION backoffice_ask_role(bigint, text, bigint);
DROP FUNCTION backoffice_apply_role(bigint);
"""

# Grants of before there were any: nobody knows who asked.
KNOWN = """
INSERT INTO backoffice_rolegrant (user_id, role, state, why)
SELECT m.user_id, g.name, 'held', 'Held before grants were kept.'
  FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id;
"""

PERSON = {"on_delete": django.db.models.deletion.PROTECT, "db_index": False, "related_name": "+"}


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0041_audit_chain"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="RoleGrant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("role", models.CharField(max_length=20)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a second person"),
                            ("held", "Held"),
                            ("refused", "Turned down"),
                            ("replaced", "Asked anew"),
                            ("ended", "Ended"),
                        ],
                        max_length=10,
                    ),
                ),
                ("why", models.TextField(blank=True)),
                ("asked_at", models.DateTimeField(db_default=Now())),
                ("decided_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="role_grants",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("asked_by", models.ForeignKey(null=True, to=settings.AUTH_USER_MODEL, **PERSON)),
                ("decided_by", models.ForeignKey(null=True, to=settings.AUTH_USER_MODEL, **PERSON)),
            ],
            options={"permissions": [("decide_rolegrant", "Can agree that somebody gets a role")]},
        ),
        migrations.AddConstraint(
            model_name="rolegrant",
            constraint=models.UniqueConstraint(
                fields=["user"], condition=models.Q(state="asked"), name="rolegrant_asked_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="rolegrant",
            constraint=models.UniqueConstraint(
                fields=["user", "role"], condition=models.Q(state="held"), name="rolegrant_held_once"
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="password_is_first",
            field=models.BooleanField(default=False, db_default=False),
        ),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
        migrations.RunSQL(HELPERS, UNDO_HELPERS),
        migrations.RunSQL([APPLY, ASK], UNDO_ASK),
        grant("backoffice", {"decide_rolegrant": [ADMINISTRATOR, FINANCE], "view_user": [FINANCE]}),
    ]
