"""An order that was paid in part ships no more once some of that went back.

A penny paid and half of it refunded made an order part refunded, and that counted as paid.
"""

from importlib import import_module

from django.db import migrations

GATES = import_module("orders.migrations.0100_preorders")
UNPAID = """(found.payment IN ('unpaid', 'part_paid', 'refunded')
        OR found.payment = 'part_refunded' AND found.amount_paid < found.total)"""
DUE = """(
        found.awaits = '' OR found.payment = 'refunded' OR orders_not_yet_due(wanted) = 0
        OR found.amount_paid < found.total - orders_not_yet_due(wanted)
    )"""
# What was there before has the function that it calls already.
BEFORE = GATES.GATE[len(GATES.NOT_YET_DUE) :]


class Migration(migrations.Migration):
    dependencies = [("orders", "0110_no_looser_by_another_mode")]

    operations = [
        migrations.RunSQL(
            GATES.gate(", o.awaits, o.total, o.amount_paid", f"{UNPAID} AND {DUE}"), BEFORE
        ),
    ]
