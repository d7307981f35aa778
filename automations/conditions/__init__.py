"""Conditions: their tree, their meaning and what they say; no database and no clock here."""
