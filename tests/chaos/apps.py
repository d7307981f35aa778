import os

from django.apps import AppConfig


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Shorten the engine's times and plant a bug, if the environment says so."""
        from tests.chaos import plants, times

        if os.environ.get(times.VARIABLE) == "short":
            times.shorten()
        if name := os.environ.get(plants.VARIABLE, ""):
            plants.PLANTS[name].spoil()
