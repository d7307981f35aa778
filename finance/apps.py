from django.apps import AppConfig


class FinanceConfig(AppConfig):
    name = "finance"
    append_only_tables = ("finance_journalentry", "finance_journalline")
