"""Facts that inventory announces, in the caller's transaction.

Each sends `actor` (backoffice.actors.Acting, by SKU id) and `history` (True: imported or
back-filled).
"""

from django.dispatch import Signal

# moves: list[StockMove]
stock_moved = Signal()
# moves: list[StockMove], each a write-off
stock_written_off = Signal()
# skus: list[Sku]; available: dict[int, int] by SKU id. Sent once per fall to the reorder point.
stock_fell_low = Signal()
# reservations: list[Reservation]
reservations_expired = Signal()
