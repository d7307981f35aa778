"""Guards of connectors read our tables, whatever table of that name stands first on the path."""

from django.db import migrations

GUARDS = ("effect_guard", "scope_guard", "scope_editors")
PINNED = "".join(
    f"ALTER FUNCTION automations_{name}() SET search_path = pg_catalog, public, pg_temp;\n"
    for name in GUARDS
)
AS_BEFORE = "".join(f"ALTER FUNCTION automations_{name}() RESET search_path;\n" for name in GUARDS)


class Migration(migrations.Migration):
    dependencies = [("automations", "0040_cases_in_depth")]

    operations = [migrations.RunSQL(PINNED, AS_BEFORE)]
