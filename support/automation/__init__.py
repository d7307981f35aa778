"""What support offers to rules: triggers, actions and records to go over."""

from support.automation import actions, customers, triggers

__all__ = ["actions", "customers", "triggers"]
