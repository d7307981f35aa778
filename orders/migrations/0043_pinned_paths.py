"""Guards of picking, shipping and parcels read our tables, whatever stands first on the path."""

from django.db import migrations

GUARDS = (
    "refuse_unready(bigint, text)",
    "shipment_gate()",
    "picking_gate()",
    "shipped_within_ordered()",
    "package_gate()",
    "package_forward()",
    "packed_within_ordered()",
    "label_declared()",
)
PINNED = "".join(
    f"ALTER FUNCTION orders_{name} SET search_path = pg_catalog, public, pg_temp;\n"
    for name in GUARDS
)
AS_BEFORE = "".join(f"ALTER FUNCTION orders_{name} RESET search_path;\n" for name in GUARDS)


class Migration(migrations.Migration):
    dependencies = [("orders", "0042_parcels")]

    operations = [migrations.RunSQL(PINNED, AS_BEFORE)]
