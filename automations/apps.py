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
    # Let go by the functions of migration 0085 alone; marks only end.
    undeletable_tables = (
        "automations_event",
        "automations_run",
        "automations_steprun",
        "automations_stagingmark",
    )
    # Made by the function that puts a version in force; the stages write how far they have come.
    fixed_tables = ("automations_existingrecords",)
    # Written by the functions of migration 0002 alone.
    read_only_tables = (
        "automations_document",
        "automations_documenteditor",
        "automations_approval",
        "automations_activation",
        "automations_epoch",
        # How many have to agree, and what acts before they have.
        "automations_approvalpolicy",
        "automations_emergency",
        # By the function of migration 0096.
        "automations_rulereview",
        # Written at `migrate`, from what the actions say of themselves.
        "automations_actionrisk",
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
        from automations.services import leavers
        from automations.views.health import register_health
        from automations.views.home import register_everywhere
        from automations.views.registered import register_runs_and_cases, register_webhooks

        connect()
        leavers.register()
        register_everywhere()
        register_health()
        register_runs_and_cases()
        register_webhooks()

    def after_migrate(self) -> None:
        """Keep what each action risks where the guards read it."""
        from automations.actions import actions
        from automations.models.documents import ActionRisk

        known = [ActionRisk(action=each.key, risk=each.risk.value) for each in actions]
        ActionRisk.objects.exclude(action__in=[each.action for each in known]).delete()
        ActionRisk.objects.bulk_create(
            known, update_conflicts=True, unique_fields=["action"], update_fields=["risk"]
        )
