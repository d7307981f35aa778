"""Whoever asked for somebody's role does not agree that fewer approve, as this one asks.

An administrator who gave a second account of theirs a role of finance would lower it alone.
"""

from importlib import import_module

from django.db import migrations

BEFORE: str = import_module("automations.migrations.0106_no_way_round").AGREE_QUORUM
PLACE = "    ELSIF p_agree IS TRUE AND NOT backoffice_holds(p.asked_by_id, ARRAY['finance']) THEN\n"
GAVE = """    ELSIF p_agree IS TRUE AND EXISTS (
        SELECT FROM backoffice_rolegrant g
         WHERE g.user_id = p.asked_by_id AND g.state = 'held' AND g.asked_by_id = p_by) THEN
        PERFORM automations_refuse('You asked for the role of who asked for this: someone else has to agree.');
"""
if PLACE not in BEFORE:
    raise ValueError(PLACE)


class Migration(migrations.Migration):
    dependencies = [("automations", "0109_emptied_when_forgotten")]

    operations = [migrations.RunSQL(BEFORE.replace(PLACE, GAVE + PLACE, 1), BEFORE)]
