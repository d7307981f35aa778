"""What support offers to rules: triggers, actions and records to go over."""

from support.automation import actions, customers, mails, ties, triggers

__all__ = ["actions", "customers", "mails", "ties", "triggers"]
