from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AutomationsConfig(AppConfig):
    name = "automations"

    def ready(self) -> None:
        # Discovered like admin.py: each app's automation module registers its triggers, actions
        # and kinds of case.
        autodiscover_modules("automation")
