"""The kind of case that the engine itself reports."""

from automations.engine import watchdog

__all__ = ["watchdog"]
