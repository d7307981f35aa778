from django.apps import AppConfig


class SupportConfig(AppConfig):
    name = "support"
    append_only_tables = ("support_message", "support_consentevent", "support_suppression")

    def ready(self) -> None:
        from backoffice.subjects import Subject, register
        from support import receivers  # noqa: F401 - connects them
        from support.queries import tickets_in_words

        register(
            Subject(
                "support.ticket",
                "ticket",
                "number",
                "ticket_detail",
                "support.view_ticket",
                told=tickets_in_words,
            )
        )
        from support.views.parts import register_everywhere

        register_everywhere()
