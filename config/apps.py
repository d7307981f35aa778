from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
    label = "roof"
    verbose_name = "Countersign"
