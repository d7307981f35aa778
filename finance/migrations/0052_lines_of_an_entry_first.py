"""The check of an entry reads the entry's lines first, by their index, whatever the plan's age.

A session plans the query of this trigger once. Planned while the ledger was empty, it could go through
the accounts first and all lines of each: ten thousand lines in one go took longer than a statement may.
"""

from importlib import import_module

from django.db import migrations

TEXT: str = import_module("finance.migrations.0002_guards").ENTRY_BALANCES
BEFORE = TEXT[: TEXT.index("END $$;") + len("END $$;")].replace(
    "CREATE FUNCTION finance_entry_balances() RETURNS trigger LANGUAGE plpgsql",
    "CREATE OR REPLACE FUNCTION finance_entry_balances() RETURNS trigger LANGUAGE plpgsql\n"
    "    SET search_path = pg_catalog, public, pg_temp",
)
JOINED = """          FROM finance_journalline line
          JOIN finance_account account ON account.id = line.account_id
         WHERE line.entry_id = NEW.id
"""
# OFFSET 0 keeps the join outside.
FENCED = """          FROM (SELECT * FROM finance_journalline WHERE entry_id = NEW.id OFFSET 0) line
          JOIN finance_account account ON account.id = line.account_id
"""


class Migration(migrations.Migration):
    dependencies = [("finance", "0051_claims_and_exchanges")]

    operations = [migrations.RunSQL(BEFORE.replace(JOINED, FENCED), BEFORE)]
