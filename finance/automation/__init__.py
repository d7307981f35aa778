"""What finance offers to rules: triggers, actions and records to go over."""

from finance.automation import aftersale, refunds

__all__ = ["aftersale", "refunds"]
