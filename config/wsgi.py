"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from backoffice.grants import refuse_powerful_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
_django = get_wsgi_application()

from config import hooks  # noqa: E402 - it has models, which stand after Django is set up

application = hooks.before(_django)
refuse_powerful_role()
