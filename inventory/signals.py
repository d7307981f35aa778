"""Facts that inventory announces, in the caller's transaction.

Each sends `actor` (backoffice.actors.Acting, by SKU id) and `history` (True: imported or
back-filled).
"""

from django.dispatch import Signal

# With moves: list[StockMove]
stock_moved = Signal()
# With moves: list[StockMove], each a write-off
stock_written_off = Signal()
# With skus: list[Sku]; available: dict[int, int] by SKU id. Once per fall to the reorder point.
stock_fell_low = Signal()
# With reservations: list[Reservation]
reservations_expired = Signal()
