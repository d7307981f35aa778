"""A notice that asks for something is over once that is decided, whoever decided it and where.

Triggers beside what is decided say so, in its transaction: no way to decide leaves somebody with an
unread question that nobody asks any more, or mails it to them.
"""

from django.db import migrations, models

PINNED = "SET search_path = pg_catalog, public, pg_temp"

OVER = f"""
-- What is about `p_about` itself or a part of it (`job:7`, `quorum:money:…`). `p_user`: of one person.
CREATE FUNCTION backoffice_notices_over(p_about text, p_user bigint DEFAULT NULL) RETURNS void
LANGUAGE sql {PINNED} AS $$
    UPDATE backoffice_notice SET over_at = statement_timestamp(), read_at = coalesce(read_at, statement_timestamp())
     WHERE over_at IS NULL AND (key = p_about OR key ~>=~ (p_about || ':') AND key ~<~ (p_about || ';'))
       AND (p_user IS NULL OR user_id = p_user);
$$;

CREATE FUNCTION backoffice_asked_is_over() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM backoffice_notices_over(TG_ARGV[0] || ':' || NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER backoffice_role_decided AFTER UPDATE OF state ON backoffice_rolegrant FOR EACH ROW
    WHEN (OLD.state = 'asked' AND NEW.state <> 'asked') EXECUTE FUNCTION backoffice_asked_is_over('role-grant');
CREATE TRIGGER backoffice_deputy_decided AFTER UPDATE OF state ON backoffice_deputy FOR EACH ROW
    WHEN (OLD.state = 'asked' AND NEW.state <> 'asked') EXECUTE FUNCTION backoffice_asked_is_over('deputy-asked');
CREATE TRIGGER backoffice_job_decided AFTER UPDATE OF status ON backoffice_bulkjob FOR EACH ROW
    WHEN (NEW.needs_second AND OLD.status = 'draft' AND NEW.status <> 'draft')
    EXECUTE FUNCTION backoffice_asked_is_over('job');
"""
UNDO = """
DROP TRIGGER backoffice_job_decided ON backoffice_bulkjob;
DROP TRIGGER backoffice_deputy_decided ON backoffice_deputy;
DROP TRIGGER backoffice_role_decided ON backoffice_rolegrant;
DROP FUNCTION backoffice_asked_is_over();
DROP FUNCTION backoffice_notices_over(text, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0055_seconds_of_their_own")]

    operations = [
        migrations.AddField("notice", "over_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "notice",
            models.Index(
                fields=["key"],
                name="notice_about",
                opclasses=["varchar_pattern_ops"],
                condition=models.Q(over_at__isnull=True),
            ),
        ),
        migrations.RunSQL(OVER, UNDO),
    ]
