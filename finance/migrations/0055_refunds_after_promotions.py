"""No more goes back for a line than was charged for it, after promotions."""

from importlib import import_module

from django.db import migrations

GUARDS: str = import_module("finance.migrations.0050_refund_lines").GUARDS
BEGINS = GUARDS.index("CREATE FUNCTION finance_refund_within_line(")
BEFORE = GUARDS[BEGINS : GUARDS.index("END $$;", BEGINS) + len("END $$;")].replace(
    "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1
)
FULL = "SELECT l.line_total + CASE"
CHARGED = "SELECT l.line_total - l.discount + CASE"
if FULL not in BEFORE:
    raise ValueError(BEFORE)


class Migration(migrations.Migration):
    dependencies = [
        ("finance", "0054_limit_by_two_accounts"),
        ("orders", "0114_due_after_promotions"),
    ]

    operations = [migrations.RunSQL(BEFORE.replace(FULL, CHARGED, 1), BEFORE)]
