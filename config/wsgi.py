"""The WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

from backoffice.grants import refuse_powerful_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
refuse_powerful_role()
