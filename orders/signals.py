"""Facts that orders announces, in the caller's transaction.

Each sends `actor` (backoffice.actors.Acting, by order id; of returns, by return id) and `history`
(True: imported or back-filled).
"""

from django.dispatch import Signal

# With orders: list[Order]; lines: dict[int, list[OrderLine]] by order id
orders_placed = Signal()
# With orders: list[Order], each now paid in full for the first time
orders_paid = Signal()
# With orders: list[Order]; amounts: dict[int, Money] by order id, refunded just now
orders_refunded = Signal()
# With orders: list[Order]; holds: list[Hold], placed just now
orders_held = Signal()
# With orders: list[Order]; holds: list[Hold], released just now
orders_released = Signal()
# With orders: list[Order]; holds: list[Hold] whose time is over, still open: people must decide
holds_ran_out = Signal()
# With orders: list[Order]; assessments: dict[int, RiskAssessment] by order id, made just now
orders_assessed = Signal()
# With orders: list[Order]; reviews: list[Review], opened just now
reviews_opened = Signal()
# With orders: list[Order]; reviews: list[Review], decided or no longer needed
reviews_settled = Signal()
# With orders: list[Order]; reviews: list[Review] that nobody has answered in time
reviews_escalated = Signal()
# With orders: list[Order]; addresses: dict[int, Address] by order id, asked for too late to change
readdress_asked = Signal()
# With orders: list[Order], now on the pick list
orders_picking = Signal()
# With orders: list[Order] that ship from another place from now on
orders_routed = Signal()
# With orders: list[Order] whose rest was promised for a day
orders_backordered = Signal()
# With orders: list[Order]; notices: list[PreOrderNotice], one of each order whose day was moved
preorders_moved = Signal()
# With orders: list[Order]; lines: list[PreOrderLine] whose stock has come
preorders_released = Signal()
# Of shipments that somebody else sends, each with orders: list[Order]; forwarded:
# list[ForwardedOrder]. They were told of them, for the first time
forwards_sent = Signal()
# They won't ship them
forwards_refused = Signal()
# They have not answered in time
forwards_unanswered = Signal()
# They have answered, or were told anew: nobody waits in vain any more
forwards_answered = Signal()
# With orders: list[Order]
orders_cancelled = Signal()
# With orders: list[Order]; tags: dict[int, tuple[str, ...]] by order id, added just now
orders_tagged = Signal()
# With orders: list[Order]; tags: dict[int, tuple[str, ...]] by order id, removed just now
orders_untagged = Signal()
# With orders: list[Order]; shipments: list[Shipment]
orders_shipped = Signal()
# With orders: list[Order]; missing: dict[int, dict[str, int]], units by SKU code by order id
orders_short = Signal()
# With orders: list[Order]; packages: list[Package], packed just now
packages_packed = Signal()
# With orders: list[Order]; packages: list[Package]; labels: list[Label]
labels_bought = Signal()
# With orders: list[Order]; packages: list[Package]; labels: list[Label]
labels_voided = Signal()
# With orders: list[Order]; packages: list[Package] whose state or trouble changed
packages_moved = Signal()
# With orders: list[Order]; packages: list[Package] that can't go on without somebody
packages_in_trouble = Signal()
# With orders: list[Order]; differences: dict[int, Money] by order id, what delivery costs more now
orders_redelivered = Signal()
# With returns: list[ReturnOrder]
returns_requested = Signal()
# With returns: list[ReturnOrder] that may come back
returns_authorised = Signal()
# With returns: list[ReturnOrder] that may not come back
returns_refused = Signal()
# With returns: list[ReturnOrder]
returns_received = Signal()
# With returns: list[ReturnOrder]
returns_inspected = Signal()
# With returns: list[ReturnOrder] whose order was not found
returns_unmatched = Signal()
# With returns: list[ReturnOrder] whose order was found after all
returns_matched = Signal()

# Of customers, `actor` is asked by customer id.
# With customers: list[Customer] whose spend, net of refunds, made them VIPs just now
customers_became_vip = Signal()
# With customers: list[Customer] who are no VIPs any more
customers_lost_vip = Signal()
# With customers: list[Customer]; tags: dict[int, tuple[str, ...]] by customer id, added just now
customers_tagged = Signal()
# With customers: list[Customer]; tags: dict[int, tuple[str, ...]] by customer id, removed just now
customers_untagged = Signal()
# With merges: list[CustomerMerge], each with its survivor and the one merged into it
customers_merged = Signal()
# With merges: list[CustomerMerge] that were taken back just now
customers_unmerged = Signal()
# With segments: dict[int, Segment] by id; members: list[SegmentMember] who came in just now
segments_entered = Signal()
# With segments: dict[int, Segment] by id; members: list[SegmentMember] who left just now
segments_left = Signal()
# With customers: list[Customer]; mails: dict[int, tuple[str, str]], by id their mail and its key, a
# last time
customers_erased = Signal()
# Asked, not told: with ids, of customers. Answers with the list of `Part`s (orders.queries.erasure)
# that the receiver's app holds of them
erasure_weighed = Signal()
# With claims: list[Claim]; actor by claim id
claims_opened = Signal()
# With claims: list[Claim], made good or refused
claims_decided = Signal()
# With exchanges: list[Exchange]; credits: dict[int, dict[int, tuple[int, Decimal]]], units and
# their price by order line by exchange; actor by exchange id
exchanges_made = Signal()

# With orders: list[Order]; markets: dict[int, MarketOrder] by order id, whose status or deadline
# at the marketplace changed
market_changed = Signal()

# With orders: list[Order]; conflicts: list[Conflict] about which people have to decide
conflicts_found = Signal()
# With orders: list[Order]; conflicts: list[Conflict], decided or settled by newer news
conflicts_settled = Signal()

# Of prices, `actor` is asked by product.
# With prices: list[Price], valid from now on or from when they begin
prices_changed = Signal()
# With changes: list[PriceChange] that wait for a person since just now
prices_waiting = Signal()
# With changes: list[PriceChange] that a person agreed to, refused or withdrew
price_decided = Signal()

# Of carts, `actor` is asked by cart.
# With carts: list[Cart] that nobody has touched for as long as their channel says
carts_abandoned = Signal()
# With carts: list[Cart], locked and just told of, whose buyers agreed to news by mail with them;
# mails: dict[int, str] by cart id, as they wrote them
carts_agreed = Signal()
# With carts: list[Cart] that were abandoned, and whose buyer ordered after all, with their order
carts_recovered = Signal()
# With orders: list[Order]; redemptions: list[Redemption], made just now; actor by order id
promotions_redeemed = Signal()
# With promotions: list[Promotion]; why: dict[int, str] by promotion id, limit, stock, date or
# stopped; actor by promotion id
promotions_ended = Signal()
