"""Webhooks in: whose they are, whether they are genuine, and how they are read."""
