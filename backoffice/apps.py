from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    append_only_tables = ("backoffice_timelineentry", "backoffice_auditentry")

    def ready(self) -> None:
        import backoffice.sets  # noqa: F401 - registers the lookup `any`
        from backoffice import addresses, subjects
        from backoffice.views import notices, staff

        addresses.register()
        subjects.register(
            subjects.Subject(
                "backoffice.legalentity",
                "company",
                "name",
                "company_detail",
                "backoffice.view_legalentity",
            )
        )
        staff.register_bulk_actions()
        notices.register_notices()
