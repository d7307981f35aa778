from django.apps import AppConfig


class DepotConfig(AppConfig):
    name = "tests.depot"
    label = "depot"

    def ready(self) -> None:
        from backoffice import subjects
        from tests.depot import stamps as stamps

        subjects.register(
            subjects.Subject("depot.parcel", "parcel", "number", "home", "depot.view_parcel")
        )
