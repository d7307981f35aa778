"""`migrate` as the owner role, followed by the application role's grants.

Then `after_migrate` of each app's config, while the connection is still the owner's.
"""

from typing import Any
from urllib.parse import unquote, urlsplit

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as Migrate

from backoffice.grants import as_owner, grant_application_role
from backoffice.migrating import rendering_what_changed


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with as_owner(), rendering_what_changed():
                super().handle(*args, **options)
                role = unquote(urlsplit(settings.DATABASE_URL).username or "")
                grant_application_role(role)
                for config in apps.get_app_configs():
                    getattr(config, "after_migrate", lambda: None)()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
