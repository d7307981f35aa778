"""What rules name of orders: a key that goes away breaks rules that are in force."""

from __future__ import annotations

from automations.actions import actions
from automations.cases import cases
from automations.triggers import triggers
from tests.orders import customer_keys, prices, trust

OURS = [trigger for trigger in triggers if trigger.key.startswith("orders.")]


def test_the_keys_are_what_rules_name() -> None:
    assert {trigger.key for trigger in OURS} == {
        "orders.order_placed",
        "orders.order_paid",
        "orders.order_held",
        "orders.order_released",
        "orders.hold_ran_out",
        "orders.order_shipped",
        "orders.order_picking",
        "orders.order_routed",
        "orders.order_backordered",
        "orders.preorder_moved",
        "orders.order_forwarded",
        "orders.forward_refused",
        "orders.forward_unanswered",
        "orders.preorder_released",
        "orders.parcel_packed",
        "orders.label_bought",
        "orders.label_voided",
        "orders.parcel_moved",
        "orders.parcel_in_trouble",
        "orders.delivery_changed",
        "orders.market_changed",
        "orders.market_reported",
        "orders.order_cancelled",
        "orders.order_tagged",
        "orders.order_reported",
        "orders.parcel_reported",
        "orders.return_requested",
        "orders.return_authorised",
        "orders.return_refused",
        "orders.return_received",
        "orders.return_inspected",
        "orders.claim_opened",
        "orders.claim_decided",
        "orders.exchange_made",
        "orders.promotion_redeemed",
        "orders.promotion_ended",
        *trust.TRIGGERS,
        *prices.TRIGGERS,
        *customer_keys.TRIGGERS,
    }
    assert {action.key for action in actions if action.key.startswith("orders.")} == {
        "orders.add_tag",
        "orders.remove_tag",
        "orders.hold_order",
        "orders.release_order",
        "orders.cancel_order",
        "orders.choose_service",
        "orders.pick_order",
        "orders.allocate_order",
        "orders.route_order",
        "orders.promise_rest",
        "orders.pack_order",
        "orders.note_tracking",
        "orders.authorise_return",
        "orders.refuse_return",
        "orders.open_claim",
        "orders.reship_claim",
        "orders.refuse_claim",
        "orders.stop_promotion",
        *trust.ACTIONS,
        *prices.ACTIONS,
        *customer_keys.ACTIONS,
    }
    assert {
        "orders.return_without_order",
        "orders.stock_short",
        "orders.systems_disagree",
        "orders.news_too_old",
    } <= {kind.key for kind in cases}
