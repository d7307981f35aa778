"""Who stands in for whom while they are away. A role that is lent so takes two people.

A deputy who lacks the role counts as holding it between two moments, once an administrator or
someone of finance has agreed. Whoever lent it had a hand in it: what they worked on, the deputy
may not decide on either. Ending it takes one.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

FUNCTIONS = """
-- Whom a person stands in for in a role now; NULL where they hold it themselves or nobody lent it.
CREATE FUNCTION backoffice_stands_in(p_user bigint, p_role text) RETURNS bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT d.person_id FROM backoffice_deputy d
     WHERE d.deputy_id = p_user AND d.state = 'agreed' AND p_role IN ('operations', 'finance', 'support')
       AND d.from_at <= statement_timestamp() AND d.until_at > statement_timestamp()
       AND backoffice_holds(d.person_id, ARRAY[p_role]) AND NOT backoffice_holds(p_user, ARRAY[p_role])
       AND backoffice_holds(p_user, ARRAY['operations', 'finance', 'support'])
     ORDER BY d.id LIMIT 1;
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
           AND d.person_id = backoffice_stands_in(p_user, p_role)
        UNION
        SELECT g.asked_by_id FROM givers JOIN backoffice_rolegrant g ON g.user_id = givers.id
         WHERE g.state IN ('held', 'ended') AND g.asked_by_id IS NOT NULL)
    SELECT id FROM givers;
$$;

CREATE FUNCTION backoffice_name_deputy(
    p_person bigint, p_deputy bigint, p_from timestamptz, p_until timestamptz, p_why text, p_by bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    lends boolean;
    fresh bigint;
BEGIN
    PERFORM backoffice_lock_people(p_person);
    IF NOT EXISTS (SELECT FROM backoffice_user WHERE id = p_by AND is_active)
       OR (p_by <> p_person AND NOT backoffice_holds(p_by, ARRAY['administrator'])) THEN
        PERFORM backoffice_refuse('A person names their own deputy, or an administrator does.');
    ELSIF p_person = p_deputy OR NOT EXISTS (SELECT FROM backoffice_user WHERE id = p_person AND is_active) THEN
        PERFORM backoffice_refuse('Name somebody else.');
    ELSIF NOT backoffice_holds(p_deputy, ARRAY['operations', 'finance', 'support']) THEN
        PERFORM backoffice_refuse('A deputy is an active person of operations, finance or support.');
    ELSIF p_from IS NULL OR p_until IS NULL OR p_until <= greatest(p_from, statement_timestamp()) THEN
        PERFORM backoffice_refuse('The last day is before the first, or over already.');
    ELSIF p_until > p_from + interval '92 days' THEN
        PERFORM backoffice_refuse('A deputy stands in for three months at most. Name one again after that.');
    ELSIF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM backoffice_refuse('Say why, so that whoever agrees knows.');
    END IF;
    SELECT EXISTS (
        SELECT FROM backoffice_user_groups m JOIN auth_group g ON g.id = m.group_id
         WHERE m.user_id = p_person AND g.name IN ('operations', 'finance', 'support')
           AND NOT backoffice_holds(p_deputy, ARRAY[g.name::text])) INTO lends;
    INSERT INTO backoffice_deputy (person_id, deputy_id, state, gives, from_at, until_at, why, asked_by_id)
    VALUES (p_person, p_deputy, CASE WHEN lends THEN 'asked' ELSE 'agreed' END, lends, p_from, p_until, p_why, p_by)
    RETURNING id INTO fresh;
    PERFORM backoffice_record(CASE WHEN lends THEN 'staff.deputy_asked' ELSE 'staff.deputy_named' END, p_person, p_by,
        jsonb_build_object('deputy', p_deputy, 'row', fresh, 'from', p_from, 'until', p_until, 'lends_role', lends));
    RETURN fresh;
END $$;

CREATE FUNCTION backoffice_decide_deputy(p_row bigint, p_by bigint, p_agree boolean) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d backoffice_deputy;
BEGIN
    SELECT * INTO d FROM backoffice_deputy WHERE id = p_row FOR UPDATE;
    IF d.id IS NULL OR d.state <> 'asked' OR d.until_at <= statement_timestamp() THEN
        PERFORM backoffice_refuse('Nobody waits for this any more.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['administrator', 'finance']) THEN
        PERFORM backoffice_refuse('An administrator or someone of finance has to agree.');
    ELSIF p_agree IS NOT TRUE THEN
        UPDATE backoffice_deputy SET state = 'refused', decided_by_id = p_by, decided_at = statement_timestamp() WHERE id = d.id;
        PERFORM backoffice_record('staff.deputy_turned_down', d.person_id, p_by, jsonb_build_object('deputy', d.deputy_id, 'row', d.id));
        RETURN;
    ELSIF p_by IN (d.asked_by_id, d.person_id, d.deputy_id) THEN
        PERFORM backoffice_refuse('You asked for this, or it is about you: someone else has to agree.');
    ELSIF NOT backoffice_holds(d.deputy_id, ARRAY['operations', 'finance', 'support'])
          OR NOT EXISTS (SELECT FROM backoffice_user WHERE id = d.asked_by_id AND is_active) THEN
        PERFORM backoffice_refuse('The deputy, or who asked, has left. Ask again.');
    END IF;
    UPDATE backoffice_deputy SET state = 'agreed', decided_by_id = p_by, decided_at = statement_timestamp() WHERE id = d.id;
    PERFORM backoffice_record('staff.deputy_named', d.person_id, p_by,
        jsonb_build_object('deputy', d.deputy_id, 'row', d.id, 'asked_by', d.asked_by_id, 'until', d.until_at, 'lends_role', true));
END $$;

CREATE FUNCTION backoffice_end_deputy(p_row bigint, p_by bigint) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    d backoffice_deputy;
BEGIN
    SELECT * INTO d FROM backoffice_deputy WHERE id = p_row FOR UPDATE;
    IF d.id IS NULL OR d.state NOT IN ('asked', 'agreed') OR d.until_at <= statement_timestamp() THEN
        PERFORM backoffice_refuse('This is over already.');
    ELSIF NOT EXISTS (SELECT FROM backoffice_user WHERE id = p_by AND is_active)
          OR (p_by NOT IN (d.person_id, d.deputy_id) AND NOT backoffice_holds(p_by, ARRAY['administrator', 'finance'])) THEN
        PERFORM backoffice_refuse('Only the two of them, an administrator or someone of finance can end this.');
    END IF;
    UPDATE backoffice_deputy SET state = 'ended', ended_by_id = p_by, ended_at = statement_timestamp() WHERE id = d.id;
    PERFORM backoffice_record('staff.deputy_ended', d.person_id, p_by, jsonb_build_object('deputy', d.deputy_id, 'row', d.id));
END $$;
REVOKE EXECUTE ON FUNCTION backoffice_name_deputy(bigint, bigint, timestamptz, timestamptz, text, bigint),
    backoffice_decide_deputy(bigint, bigint, boolean), backoffice_end_deputy(bigint, bigint) FROM PUBLIC;
"""
UNDO = """
DROP FUNCTION backoffice_end_deputy(bigint, bigint);
DROP FUNCTION backoffice_decide_deputy(bigint, bigint, boolean);
DROP FUNCTION backoffice_name_deputy(bigint, bigint, timestamptz, timestamptz, text, bigint);
CREATE OR REPLACE FUNCTION backoffice_givers(p_user bigint, p_role text) RETURNS SETOF bigint LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp AS $$
    WITH RECURSIVE givers (id) AS (
        SELECT giver FROM backoffice_rolegrant g, unnest(ARRAY[g.asked_by_id, g.decided_by_id]) giver
         WHERE g.user_id = p_user AND g.role = p_role AND g.state = 'held' AND giver IS NOT NULL
        UNION
        SELECT g.asked_by_id FROM givers JOIN backoffice_rolegrant g ON g.user_id = givers.id
         WHERE g.state IN ('held', 'ended') AND g.asked_by_id IS NOT NULL)
    SELECT id FROM givers;
$$;
DROP FUNCTION backoffice_stands_in(bigint, text);
"""

PERSON = {
    "on_delete": django.db.models.deletion.PROTECT,
    "db_index": False,
    "related_name": "+",
    "to": settings.AUTH_USER_MODEL,
}


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0043_everyones_jobs")]

    operations = [
        migrations.CreateModel(
            name="Deputy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a second person"),
                            ("agreed", "Agreed"),
                            ("refused", "Turned down"),
                            ("ended", "Ended early"),
                        ],
                        max_length=10,
                    ),
                ),
                ("gives", models.BooleanField()),
                ("from_at", models.DateTimeField()),
                ("until_at", models.DateTimeField()),
                ("why", models.TextField()),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("decided_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("person", models.ForeignKey(**{**PERSON, "related_name": "deputies"})),
                ("deputy", models.ForeignKey(**{**PERSON, "related_name": "stands_in"})),
                ("asked_by", models.ForeignKey(**PERSON)),
                ("decided_by", models.ForeignKey(null=True, **PERSON)),
                ("ended_by", models.ForeignKey(null=True, **PERSON)),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("state", "agreed")), fields=["deputy", "until_at"], name="deputy_agreed"),
                    models.Index(fields=["person", "-until_at"], name="deputy_of_person"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("until_at__gt", models.F("from_at"))), name="deputy_ends_after_start"),
                    models.CheckConstraint(condition=models.Q(("person", models.F("deputy")), _negated=True), name="deputy_is_another"),
                ],
            },
        ),
        migrations.RunSQL(FUNCTIONS, UNDO),
    ]
