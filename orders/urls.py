"""Where orders, customers and returns live."""

from django.urls import path

from backoffice.workbench.pages import urls
from orders.tables.carriers import CARRIERS, CHANNELS
from orders.tables.carts import CARTS
from orders.tables.claims import CLAIMS, EXCHANGES
from orders.tables.customers import CUSTOMERS
from orders.tables.forwarding import FORWARDED, FORWARDERS
from orders.tables.orders import ORDERS
from orders.tables.parcels import PARCELS
from orders.tables.preorders import PREORDERS
from orders.tables.prices import PRICE_CHANGES, PRICES, RATES
from orders.tables.promotions import PROMOTIONS
from orders.tables.returns import RETURNS
from orders.tables.reviews import REVIEWS
from orders.tables.segments import SEGMENTS
from orders.tables.trust import BLOCKLIST, CREDITS, SIGNALS
from orders.views.carriers import (
    carrier_detail,
    carrier_edit,
    carrier_new,
    channel_detail,
    channel_promise,
)
from orders.views.carts import cart_detail, cart_file, cart_file_job, channel_carts
from orders.views.claims import claim_detail, claim_new, claim_refuse, claim_reship
from orders.views.conflicts import conflict_decide
from orders.views.covers import (
    channel_insurance,
    package_agree,
    package_insure,
    package_uninsured,
)
from orders.views.customers import (
    customer_detail,
    customer_edit,
    customer_tag,
    customer_untag,
)
from orders.views.erasure import customer_erase
from orders.views.exchanges import exchange_detail, exchange_new
from orders.views.figures import order_baseline, order_figures
from orders.views.forwarding import (
    forwarded_acknowledge,
    forwarded_answers,
    forwarded_detail,
    forwarded_file,
    forwarded_left,
    forwarded_refuse,
    forwarded_send,
    forwarder_detail,
    forwarder_edit,
    forwarder_new,
)
from orders.views.fulfilment import (
    order_allocate,
    order_pick,
    order_promise,
    order_route,
    order_ship,
    order_unpick,
)
from orders.views.home import order_home_at_risk, order_home_held, order_home_to_ship
from orders.views.market import order_market
from orders.views.merging import (
    customer_apart,
    customer_duplicates,
    customer_merge,
    merge_undo,
)
from orders.views.orders import (
    order_address,
    order_cancel,
    order_detail,
    order_hold,
    order_release,
    order_tag,
    order_untag,
)
from orders.views.papers import order_pick_list, order_slip, package_slip
from orders.views.parcels import (
    order_delivery,
    order_service,
    package_label,
    package_leave,
    package_new,
    package_track,
    package_unpack,
    package_void,
)
from orders.views.places import (
    channel_place_edit,
    channel_place_new,
    channel_place_remove,
)
from orders.views.preorders import (
    preorder_close,
    preorder_detail,
    preorder_edit,
    preorder_fill,
    preorder_move,
    preorder_new,
)
from orders.views.price_file import price_file, price_file_job
from orders.views.prices import (
    channel_prices,
    price_change,
    price_detail,
    price_floor,
    price_looser,
    pricechange_agree,
    pricechange_detail,
    pricechange_refuse,
    pricechange_withdraw,
    rate_new,
    sku_prices,
)
from orders.views.promotions import (
    promotion_decide,
    promotion_detail,
    promotion_edit,
    promotion_new,
    promotion_start,
    promotion_stop,
)
from orders.views.return_steps import (
    channel_returns,
    return_authorise,
    return_match,
    return_new,
    return_way,
)
from orders.views.returns import (
    return_detail,
    return_inspect,
    return_receive,
    return_refuse,
    return_request,
)
from orders.views.reviews import (
    credit_approve,
    credit_decline,
    order_block,
    order_fraud,
    order_screen,
    review_accept,
    review_detail,
    review_pass,
    review_refuse,
)
from orders.views.segments import (
    segment_detail,
    segment_edit,
    segment_new,
    segment_remove,
)
from orders.views.tracking_file import parcel_file, parcel_file_job, parcel_file_sample
from orders.views.trust import (
    block_detail,
    block_end,
    block_new,
    channel_checks,
    customer_credit,
    signal_detail,
    signal_edit,
    signal_looser,
    signal_new,
)

urlpatterns = [
    *urls(ORDERS, "orders/"),
    path("orders/figures/", order_figures, name="order_figures"),
    path("orders/_/baseline/", order_baseline, name="order_baseline"),
    path("orders/<number:number>/", order_detail, name="order_detail"),
    path("orders/<number:number>/_/hold/", order_hold, name="order_hold"),
    path("orders/<number:number>/_/release/", order_release, name="order_release"),
    path("orders/<number:number>/_/tag/", order_tag, name="order_tag"),
    path("orders/<number:number>/_/untag/<slug:tag>/", order_untag, name="order_untag"),
    path("orders/<number:number>/_/cancel/", order_cancel, name="order_cancel"),
    path("orders/<number:number>/_/ship/", order_ship, name="order_ship"),
    path("orders/<number:number>/_/pick/", order_pick, name="order_pick"),
    path("orders/<number:number>/_/unpick/", order_unpick, name="order_unpick"),
    path("orders/<number:number>/_/allocate/", order_allocate, name="order_allocate"),
    path("orders/<number:number>/_/route/", order_route, name="order_route"),
    path("orders/<number:number>/_/promise/", order_promise, name="order_promise"),
    path("orders/_/pick-list/", order_pick_list, name="order_pick_list"),
    path("orders/<number:number>/_/slip/", order_slip, name="order_slip"),
    path("orders/<number:number>/_/delivery/", order_delivery, name="order_delivery"),
    path("orders/<number:number>/_/service/", order_service, name="order_service"),
    path("orders/<number:number>/_/market/", order_market, name="order_market"),
    path("orders/<number:number>/_/conflicts/<int:pk>/", conflict_decide, name="conflict_decide"),
    path("orders/<number:number>/_/pack/", package_new, name="package_new"),
    path("orders/<number:number>/_/address/", order_address, name="order_address"),
    path("orders/<number:number>/_/screen/", order_screen, name="order_screen"),
    path("orders/<number:number>/_/fraud/", order_fraud, name="order_fraud"),
    path("orders/<number:number>/_/block/", order_block, name="order_block"),
    path("orders/<number:number>/_/return/", return_request, name="return_request"),
    path("orders/<number:number>/_/claim/", claim_new, name="claim_new"),
    path("orders/<number:number>/_/exchange/", exchange_new, name="exchange_new"),
    path("orders/_/home/at-risk/", order_home_at_risk, name="order_home_at_risk"),
    path("orders/_/home/held/", order_home_held, name="order_home_held"),
    path("orders/_/home/to-ship/", order_home_to_ship, name="order_home_to_ship"),
    *urls(PREORDERS, "pre-orders/"),
    path("pre-orders/_/new/", preorder_new, name="preorder_new"),
    path("pre-orders/<number:number>/", preorder_detail, name="preorder_detail"),
    path("pre-orders/<number:number>/_/move/", preorder_move, name="preorder_move"),
    path("pre-orders/<number:number>/_/fill/", preorder_fill, name="preorder_fill"),
    path("pre-orders/<number:number>/_/edit/", preorder_edit, name="preorder_edit"),
    path("pre-orders/<number:number>/_/close/", preorder_close, name="preorder_close"),
    *urls(FORWARDED, "forwarding/"),
    path("forwarding/_/file/", forwarded_file, name="forwarded_file"),
    path("forwarding/_/answers/", forwarded_answers, name="forwarded_answers"),
    *urls(FORWARDERS, "forwarding/_/who/"),
    path("forwarding/_/who/new/", forwarder_new, name="forwarder_new"),
    path("forwarding/_/who/<int:pk>/", forwarder_detail, name="forwarder_detail"),
    path("forwarding/_/who/<int:pk>/_/edit/", forwarder_edit, name="forwarder_edit"),
    path("forwarding/<number:number>/", forwarded_detail, name="forwarded_detail"),
    path("forwarding/<number:number>/_/send/", forwarded_send, name="forwarded_send"),
    path(
        "forwarding/<number:number>/_/acknowledge/",
        forwarded_acknowledge,
        name="forwarded_acknowledge",
    ),
    path("forwarding/<number:number>/_/refuse/", forwarded_refuse, name="forwarded_refuse"),
    path("forwarding/<number:number>/_/left/", forwarded_left, name="forwarded_left"),
    *urls(CUSTOMERS, "customers/"),
    path("customers/_/duplicates/", customer_duplicates, name="customer_duplicates"),
    path("customers/_/merges/<int:pk>/undo/", merge_undo, name="merge_undo"),
    path("customers/<number:number>/", customer_detail, name="customer_detail"),
    path("customers/<number:number>/_/credit/", customer_credit, name="customer_credit"),
    *urls(CREDITS, "credit/"),
    *urls(PRICES, "prices/"),
    path("prices/_/file/", price_file, name="price_file"),
    path("prices/_/file/job/", price_file_job, name="price_file_job"),
    path("prices/_/of/<int:pk>/", sku_prices, name="sku_prices"),
    path("prices/<number:code>/", price_detail, name="price_detail"),
    path("prices/<number:code>/_/<slug:key>/change/", price_change, name="price_change"),
    path("prices/<number:code>/_/<slug:key>/floor/", price_floor, name="price_floor"),
    path("prices/_/looser/<int:pk>/<slug:verdict>/", price_looser, name="price_looser"),
    *urls(PRICE_CHANGES, "price-changes/"),
    path("price-changes/<int:pk>/", pricechange_detail, name="pricechange_detail"),
    path("price-changes/<int:pk>/_/agree/", pricechange_agree, name="pricechange_agree"),
    path("price-changes/<int:pk>/_/refuse/", pricechange_refuse, name="pricechange_refuse"),
    path("price-changes/<int:pk>/_/withdraw/", pricechange_withdraw, name="pricechange_withdraw"),
    *urls(RATES, "rates/"),
    path("rates/_/new/", rate_new, name="rate_new"),
    *urls(CARTS, "carts/"),
    path("carts/_/file/", cart_file, name="cart_file"),
    path("carts/_/file/job/", cart_file_job, name="cart_file_job"),
    path("carts/<number:number>/", cart_detail, name="cart_detail"),
    *urls(REVIEWS, "reviews/"),
    path("reviews/<int:pk>/", review_detail, name="review_detail"),
    path("reviews/<int:pk>/_/pass/", review_pass, name="review_pass"),
    path("reviews/<int:pk>/_/refuse/", review_refuse, name="review_refuse"),
    path("reviews/<int:pk>/_/accept/", review_accept, name="review_accept"),
    path("reviews/<int:pk>/_/approve/", credit_approve, name="credit_approve"),
    path("reviews/<int:pk>/_/decline/", credit_decline, name="credit_decline"),
    path("customers/<number:number>/_/edit/", customer_edit, name="customer_edit"),
    path("customers/<number:number>/_/erase/", customer_erase, name="customer_erase"),
    path("customers/<number:number>/_/tag/", customer_tag, name="customer_tag"),
    path("customers/<number:number>/_/untag/<slug:tag>/", customer_untag, name="customer_untag"),
    path(
        "customers/<number:number>/_/merge/<number:other>/", customer_merge, name="customer_merge"
    ),
    path(
        "customers/<number:number>/_/apart/<number:other>/", customer_apart, name="customer_apart"
    ),
    *urls(SEGMENTS, "segments/"),
    path("segments/_/new/", segment_new, name="segment_new"),
    path("segments/<slug:slug>/", segment_detail, name="segment_detail"),
    path("segments/<slug:slug>/_/edit/", segment_edit, name="segment_edit"),
    path("segments/<slug:slug>/_/remove/", segment_remove, name="segment_remove"),
    *urls(PROMOTIONS, "promotions/"),
    path("promotions/_/new/", promotion_new, name="promotion_new"),
    path("promotions/_/asked/<int:pk>/<slug:verdict>/", promotion_decide, name="promotion_decide"),
    path("promotions/<slug:key>/", promotion_detail, name="promotion_detail"),
    path("promotions/<slug:key>/_/edit/", promotion_edit, name="promotion_edit"),
    path("promotions/<slug:key>/_/start/", promotion_start, name="promotion_start"),
    path("promotions/<slug:key>/_/stop/", promotion_stop, name="promotion_stop"),
    *urls(RETURNS, "returns/"),
    path("returns/new/", return_new, name="return_new"),
    path("returns/<number:number>/", return_detail, name="return_detail"),
    path("returns/<number:number>/_/authorise/", return_authorise, name="return_authorise"),
    path("returns/<number:number>/_/way/", return_way, name="return_way"),
    path("returns/<number:number>/_/match/", return_match, name="return_match"),
    path("returns/<number:number>/_/receive/", return_receive, name="return_receive"),
    path("returns/<number:number>/_/inspect/", return_inspect, name="return_inspect"),
    path("returns/<number:number>/_/refuse/", return_refuse, name="return_refuse"),
    *urls(CLAIMS, "claims/"),
    path("claims/<number:number>/", claim_detail, name="claim_detail"),
    path("claims/<number:number>/_/reship/", claim_reship, name="claim_reship"),
    path("claims/<number:number>/_/refuse/", claim_refuse, name="claim_refuse"),
    *urls(EXCHANGES, "exchanges/"),
    path("exchanges/<number:number>/", exchange_detail, name="exchange_detail"),
    *urls(PARCELS, "parcels/"),
    path("parcels/_/file/", parcel_file, name="parcel_file"),
    path("parcels/_/file/sample.csv", parcel_file_sample, name="parcel_file_sample"),
    path("parcels/_/file/job/", parcel_file_job, name="parcel_file_job"),
    path("parcels/<number:number>/_/label/", package_label, name="package_label"),
    path("parcels/<number:number>/_/slip/", package_slip, name="package_slip"),
    path("parcels/<number:number>/_/void/", package_void, name="package_void"),
    path("parcels/<number:number>/_/leave/", package_leave, name="package_leave"),
    path("parcels/<number:number>/_/unpack/", package_unpack, name="package_unpack"),
    path("parcels/<number:number>/_/track/", package_track, name="package_track"),
    path("parcels/<number:number>/_/insure/", package_insure, name="package_insure"),
    path("parcels/<number:number>/_/uninsured/", package_uninsured, name="package_uninsured"),
    path("parcels/<number:number>/_/agree/", package_agree, name="package_agree"),
    *urls(CARRIERS, "settings/carriers/"),
    path("settings/carriers/new/", carrier_new, name="carrier_new"),
    path("settings/carriers/<slug:key>/", carrier_detail, name="carrier_detail"),
    path("settings/carriers/<slug:key>/_/edit/", carrier_edit, name="carrier_edit"),
    *urls(CHANNELS, "settings/channels/"),
    path("settings/channels/<slug:key>/", channel_detail, name="channel_detail"),
    path("settings/channels/<slug:key>/_/promise/", channel_promise, name="channel_promise"),
    path("settings/channels/<slug:key>/_/place/", channel_place_new, name="channel_place_new"),
    path(
        "settings/channels/<slug:key>/_/place/<int:pk>/",
        channel_place_edit,
        name="channel_place_edit",
    ),
    path(
        "settings/channels/<slug:key>/_/place/<int:pk>/remove/",
        channel_place_remove,
        name="channel_place_remove",
    ),
    path("settings/channels/<slug:key>/_/checks/", channel_checks, name="channel_checks"),
    path("settings/channels/<slug:key>/_/insurance/", channel_insurance, name="channel_insurance"),
    path("settings/channels/<slug:key>/_/carts/", channel_carts, name="channel_carts"),
    path("settings/channels/<slug:key>/_/prices/", channel_prices, name="channel_prices"),
    *urls(SIGNALS, "settings/screening/"),
    path("settings/screening/new/<slug:kind>/", signal_new, name="signal_new"),
    path("settings/screening/<slug:key>/", signal_detail, name="signal_detail"),
    path("settings/screening/<slug:key>/_/edit/", signal_edit, name="signal_edit"),
    path(
        "settings/screening/<slug:key>/_/looser/<str:verdict>/",
        signal_looser,
        name="signal_looser",
    ),
    *urls(BLOCKLIST, "settings/blocklist/"),
    path("settings/blocklist/new/", block_new, name="block_new"),
    path("settings/blocklist/<int:pk>/", block_detail, name="block_detail"),
    path("settings/blocklist/<int:pk>/_/end/", block_end, name="block_end"),
    path("settings/channels/<slug:key>/_/returns/", channel_returns, name="channel_returns"),
]
