"""What orders offers to rules: triggers, actions and kinds of case."""

from orders.automation import actions, cases, triggers

__all__ = ["actions", "cases", "triggers"]
