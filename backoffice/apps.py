from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    append_only_tables = (
        "backoffice_timelineentry",
        "backoffice_auditentry",
        "backoffice_auditcheck",
    )
    # Written by backoffice_seal_audit and by the trigger on the entries alone.
    read_only_tables = ("backoffice_auditlink", "backoffice_auditpending")

    def ready(self) -> None:
        import backoffice.sets  # noqa: F401 - registers the lookup `any`
        from backoffice import addresses, entrances, subjects
        from backoffice.views import notices, staff

        addresses.register()
        entrances.connect()
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
