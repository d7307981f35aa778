from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    append_only_tables = ("backoffice_timelineentry", "backoffice_auditentry")

    def ready(self) -> None:
        import backoffice.sets  # noqa: F401 - registers the lookup `any`
        from backoffice import addresses
        from backoffice.views import notices, staff

        addresses.register()
        staff.register_bulk_actions()
        notices.register_notices()
