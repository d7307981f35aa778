import os

from django.apps import AppConfig


class ChaosConfig(AppConfig):
    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Change the product in this process as the environment says."""
        from tests.chaos import plants, times

        if os.environ.get(times.VARIABLE) == "short":
            times.shorten()
        if name := os.environ.get(plants.VARIABLE, ""):
            plants.PLANTS[name].spoil()
        if place := os.environ.get(times.SLOW, ""):
            times.dawdle(place)
