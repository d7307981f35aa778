"""Tables of finance, by noun. Import the submodule: `from finance.models.ledger import …`."""

from finance.models import balances, ledger, payments, refund_limits, refunds

__all__ = ["balances", "ledger", "payments", "refund_limits", "refunds"]
