"""`make chaos`: real processes are killed while events arrive, and what is left is judged.

Nothing here asks the product whether all is well: `checks` reads PostgreSQL and the outside
system's own ledger.
"""
