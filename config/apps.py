from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    label = "roof"
    verbose_name = "Countersign"

    def ready(self) -> None:
        # Web processes publish wake-ups too, so tasks must find the app; here and not in
        # `config/__init__.py`, where everything that starts below config would pay for it.
        from config.celery import app

        app.set_default()
