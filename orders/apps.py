from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    # Names and addresses: a person can be forgotten.
    erasable_tables = ("orders_historicalcustomer",)
    append_only_tables = (
        "orders_reviewdecision",
        "orders_mergemove",
        "orders_operationsbaseline",
        "orders_preordermove",
        "orders_preordernotice",
        "orders_exchangerate",
        "orders_pricefloor",
        "orders_price",
        "orders_redemption",
        "orders_redemptionline",
        "orders_redemptionrelease",
    )
    undeletable_tables = (
        "orders_review",
        "orders_riskassessment",
        "orders_customermerge",
        # Screening is loosened by two people, not by taking a signal away.
        "orders_risksignal",
        "orders_preorder",
        "orders_preorderline",
        "orders_promotion",
        "orders_forwardedorder",
        "orders_conflict",
    )
    # Written by functions of the owner alone: tags beside orders, what waits for a second person,
    # what counts uses.
    read_only_tables = (
        "orders_ordertag",
        "orders_pricechange",
        "orders_priceguardchange",
        "orders_promotionchange",
        "orders_promotioncount",
    )

    def ready(self) -> None:
        from backoffice.subjects import Subject, register

        for noun, label, number in (
            ("order", "order", "number"),
            ("return", "returnorder", "number"),
            ("promotion", "promotion", "key"),
            ("claim", "claim", "number"),
            ("exchange", "exchange", "number"),
            ("customer", "customer", "number"),
            ("cart", "cart", "number"),
        ):
            permission = f"orders.view_{label}"
            register(Subject(f"orders.{label}", noun, number, f"{noun}_detail", permission))
        from orders.views.bulk import register_bulk_actions
        from orders.views.carts import register_bulk_actions as register_cart_actions
        from orders.views.forwarding_bulk import register_bulk_actions as register_forwarding
        from orders.views.home import register_everywhere
        from orders.views.parcel_bulk import register_bulk_actions as register_parcel_actions
        from orders.views.price_bulk import register_bulk_actions as register_price_actions

        register_bulk_actions()
        register_parcel_actions()
        register_price_actions()
        register_cart_actions()
        register_forwarding()
        register_everywhere()
