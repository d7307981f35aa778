"""Tables of the orders app, by noun. Import the submodule: `from orders.models.orders import …`."""

from orders.models import channels, customers, holds, orders, returns, shipments

__all__ = ["channels", "customers", "holds", "orders", "returns", "shipments"]
