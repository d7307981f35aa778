from django.apps import AppConfig


class DepotConfig(AppConfig):
    name = "tests.depot"
    label = "depot"

    def ready(self) -> None:
        from backoffice import subjects

        subjects.register(
            subjects.Subject("depot.parcel", "parcel", "number", "home", "depot.view_parcel")
        )
