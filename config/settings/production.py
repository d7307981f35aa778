"""Production: everything secret or particular comes from the environment."""

from config.settings.base import *  # noqa: F403
from config.settings.base import COOKIES, LOGGING, env

SECRET_KEY = env("SECRET_KEY")
LOG_FORMAT = env("LOG_FORMAT", default="json")
LOGGING["handlers"]["console"]["formatter"] = LOG_FORMAT
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_NAME = f"__Host-{COOKIES}sessionid"
CSRF_COOKIE_SECURE = True
CSRF_COOKIE_NAME = f"__Host-{COOKIES}csrftoken"
