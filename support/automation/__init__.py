"""What support offers to rules: triggers, actions and records to go over."""

from support.automation import actions, triggers

__all__ = ["actions", "triggers"]
