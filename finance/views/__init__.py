"""Screens of the ledger, payments and refunds."""
