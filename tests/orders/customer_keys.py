"""The keys under which rules name what happens to customers, and what they do to them."""

TRIGGERS = {
    "orders.customer_became_vip",
    "orders.customer_lost_vip",
    "orders.customer_tagged",
    "orders.customer_merged",
    "orders.segment_entered",
    "orders.segment_left",
}
ACTIONS = {"orders.tag_customer", "orders.untag_customer"}
