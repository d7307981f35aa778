from django.apps import AppConfig


class FinanceConfig(AppConfig):
    name = "finance"
    read_only_tables = ("finance_refundlimit",)  # written by the functions of migration 0053
    append_only_tables = ("finance_journalentry", "finance_journalline", "finance_refundline")

    def ready(self) -> None:
        from backoffice.subjects import Subject, register
        from finance import receivers  # noqa: F401 - connects them
        from finance.queries import refunds_in_words

        register(
            Subject(
                "finance.payment", "payment", "number", "payment_detail", "finance.view_payment"
            )
        )
        register(
            Subject(
                "finance.refund",
                "refund",
                "number",
                "refund_detail",
                "finance.view_refund",
                told=refunds_in_words,
            )
        )
        from finance.views.by_line import register_panels
        from finance.views.parts import register_everywhere

        register_everywhere()
        register_panels()
