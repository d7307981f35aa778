from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AutomationsConfig(AppConfig):
    name = "automations"
    append_only_tables = (
        "automations_draftrevision",
        "automations_failureaction",
        "automations_calllog",
        # A stop is set by anyone and lifted only by automations_start_again.
        "automations_stop",
    )
    # Written by the functions of migration 0002 alone.
    read_only_tables = (
        "automations_document",
        "automations_documenteditor",
        "automations_approval",
        "automations_activation",
        "automations_epoch",
    )

    def ready(self) -> None:
        from backoffice.subjects import Subject, register

        register(
            Subject(
                "automations.delivery",
                "delivery",
                "pk",
                "delivery_detail",
                "automations.view_delivery",
            )
        )
        # Discovered like admin.py: each app's automation module registers its triggers, actions
        # and kinds of case, its connectors package the kinds of system it calls.
        autodiscover_modules("automation", "connectors")
        from automations.receivers import connect
        from automations.views.health import register_health
        from automations.views.home import register_everywhere
        from automations.views.registered import register_runs_and_cases, register_webhooks

        connect()
        register_everywhere()
        register_health()
        register_runs_and_cases()
        register_webhooks()
