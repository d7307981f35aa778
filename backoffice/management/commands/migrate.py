"""`migrate` as the owner role, followed by the application role's grants."""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate
from django.db import connection

from backoffice.grants import grant_application_role


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        owner = settings.OWNER_DATABASE
        if owner is None:
            raise CommandError(
                "Set DATABASE_OWNER_URL: the role in DATABASE_URL owns nothing and can't migrate."
            )
        connection.close()
        serving = connection.settings_dict.copy()
        connection.settings_dict.update(
            {key: owner[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
        )
        try:
            super().handle(*args, **options)
            role = unquote(urlsplit(settings.DATABASE_URL).username or "")
            grant_application_role(role)
        finally:
            connection.close()
            connection.settings_dict.update(serving)
