"""Screens of tickets and queues."""
