"""What orders offers to rules: triggers, actions, kinds of case and records to go over."""

from orders.automation import actions, cases, scans, triggers

__all__ = ["actions", "cases", "scans", "triggers"]
