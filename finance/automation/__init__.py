"""What finance offers to rules: triggers, actions and records to go over."""

from finance.automation import aftersale, refunds, ties

__all__ = ["aftersale", "refunds", "ties"]
