from django.apps import AppConfig


class BackofficeConfig(AppConfig):
    name = "backoffice"
    append_only_tables = (
        "backoffice_timelineentry",
        "backoffice_auditentry",
        "backoffice_auditcheck",
    )
    # Written by functions of the owner alone: the chain by its sealer, who holds a role by a grant.
    read_only_tables = (
        "backoffice_auditlink",
        "backoffice_auditpending",
        "backoffice_deputy",
        "backoffice_rolegrant",
        "backoffice_user_groups",
        "backoffice_user_user_permissions",
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
    )

    def ready(self) -> None:
        import backoffice.sets  # noqa: F401 - registers the lookup `any`
        from backoffice import addresses, entrances, links, refusals, subjects
        from backoffice.views import notices, staff

        addresses.register()
        entrances.connect()
        refusals.connect()
        subjects.register(
            subjects.Subject(
                "backoffice.legalentity",
                "company",
                "name",
                "company_detail",
                "backoffice.view_legalentity",
            )
        )
        links.register("backoffice.user", staff.user_names)
        staff.register_bulk_actions()
        notices.register_notices()
