"""Facts that orders announces, in the caller's transaction.

Each sends `actor` (backoffice.actors.Acting, by order id; of returns, by return id) and `history`
(True: imported or back-filled).
"""

from django.dispatch import Signal

# orders: list[Order]; lines: dict[int, list[OrderLine]] by order id
orders_placed = Signal()
# orders: list[Order], each now paid in full for the first time
orders_paid = Signal()
# orders: list[Order]; amounts: dict[int, Money] by order id, refunded just now
orders_refunded = Signal()
# orders: list[Order]; holds: list[Hold], placed just now
orders_held = Signal()
# orders: list[Order]; holds: list[Hold], released just now
orders_released = Signal()
# orders: list[Order]
orders_cancelled = Signal()
# orders: list[Order]; tags: dict[int, tuple[str, ...]] by order id, added just now
orders_tagged = Signal()
# orders: list[Order]; tags: dict[int, tuple[str, ...]] by order id, removed just now
orders_untagged = Signal()
# orders: list[Order]; shipments: list[Shipment]
orders_shipped = Signal()
# orders: list[Order]; shortages: dict[int, tuple[orders.services.lines.ShortLine, ...]] by order id
orders_short = Signal()
# returns: list[ReturnOrder]
returns_requested = Signal()
# returns: list[ReturnOrder]
returns_received = Signal()
# returns: list[ReturnOrder]
returns_inspected = Signal()
# returns: list[ReturnOrder] whose order was not found
returns_unmatched = Signal()
