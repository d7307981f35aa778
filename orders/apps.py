from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "orders"

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
