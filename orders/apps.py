from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"
    # Names and addresses: a person can be forgotten.
    erasable_tables = ("orders_historicalcustomer",)
    append_only_tables = (
        "orders_reviewdecision",
        "orders_mergemove",
        "orders_operationsbaseline",
    )
    undeletable_tables = ("orders_review", "orders_riskassessment", "orders_customermerge")

    def ready(self) -> None:
        from backoffice.subjects import Subject, register

        register(Subject("orders.order", "order", "number", "order_detail", "orders.view_order"))
        register(
            Subject(
                "orders.returnorder",
                "return",
                "number",
                "return_detail",
                "orders.view_returnorder",
            )
        )
        register(Subject("orders.claim", "claim", "number", "claim_detail", "orders.view_claim"))
        register(
            Subject(
                "orders.exchange", "exchange", "number", "exchange_detail", "orders.view_exchange"
            )
        )
        register(
            Subject(
                "orders.customer",
                "customer",
                "number",
                "customer_detail",
                "orders.view_customer",
            )
        )
        from orders.views.bulk import register_bulk_actions
        from orders.views.home import register_everywhere
        from orders.views.parcel_bulk import register_bulk_actions as register_parcel_actions

        register_bulk_actions()
        register_parcel_actions()
        register_everywhere()
