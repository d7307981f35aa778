from django.apps import AppConfig


class InventoryConfig(AppConfig):
    name = "inventory"
    append_only_tables = ("inventory_stockmove",)

    def ready(self) -> None:
        from backoffice import subjects

        subjects.register(
            subjects.Subject("inventory.sku", "SKU", "code", "sku_detail", "inventory.view_sku")
        )
        from inventory.views.home import register_everywhere

        register_everywhere()
