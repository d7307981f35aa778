"""Tests: real PostgreSQL and Redis, cheap password hashes, plain static files."""

from config.settings.base import *  # noqa: F403
from config.settings.base import INSTALLED_APPS, env

SECRET_KEY = env("SECRET_KEY", default="test-only-key")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
AXES_ENABLED = False
SECRETS_KEYS = ["dGVzdHMtb25seS1rZXktb2YtMzItYnl0ZXMtLS0tLS0="]
# Fakes of outside systems listen on this machine.
CONNECTORS_ALLOW_LOOPBACK = True
# Static files are found where they stand; nothing is collected for a test.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True

# A domain of the tests' own, with actions that break, wait and kill.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.depot"]
