"""`make run`: one machine, loopback only, embedded servers or those the environment names."""

from config.settings.base import *  # noqa: F403
from config.settings.base import ROOT, env, mail_settings

SECRET_KEY = env("SECRET_KEY", default="development-only-key-never-used-in-production")
# Hashed names as in production, but not compressed: nothing is saved on loopback, and brotli takes
# most of a first start.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
    },
}
# Systems of one's own on this machine stand in for those outside.
CONNECTORS_ALLOW_LOOPBACK = True
# Mail lands as files, and reaches nobody.
vars().update(mail_settings(f"filemail:///{ROOT}/var/mail"))
