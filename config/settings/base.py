"""Settings shared by every way of running; what differs comes from the environment (12-factor)."""

from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from django.urls import reverse_lazy
from kombu import Queue

ROOT = Path(__file__).resolve().parent.parent.parent
env = environ.Env()

# A sandbox reaches nobody (docs/decisions/0124). Whatever is not plainly a no makes it one: who
# mistypes gets mail that is caught, not mail that leaves.
SANDBOX: bool = env("SANDBOX", default="").strip().lower() not in {"", "no", "0", "false", "off"}

SECRET_KEY: str = env("SECRET_KEY", default="")
DEBUG = False
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "backoffice",
    "automations",
    "inventory",
    "orders",
    "finance",
    "support",
    "config",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_htmx",
    "simple_history",
]

MIDDLEWARE = [
    "config.probes.ProbeMiddleware",
    "config.hooks.HookMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # A list of 50 rows is 100 kB of markup, a tenth of it packed. It adds a random length to each
    # page, so that who can make us repeat words beside a secret learns nothing from the size.
    "django.middleware.gzip.GZipMiddleware",
    "backoffice.middleware.RequestLogMiddleware",
    "csp.middleware.CSPMiddleware",
    "backoffice.middleware.NoNullsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "backoffice.middleware.UserTimeZoneMiddleware",
    "backoffice.middleware.FirstPasswordMiddleware",
    "backoffice.middleware.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.navigation.shell",
            ],
        },
    },
]


def database(url: str, *, pool: bool, statement_timeout: str = "10s") -> dict[str, Any]:
    """Django's settings for one PostgreSQL URL.

    A `host` query parameter names a socket folder. `pool` is for web processes; workers keep one
    persistent connection instead.
    """
    settings: dict[str, Any] = env.db_url_config(url)
    settings["CONN_HEALTH_CHECKS"] = True
    settings["CONN_MAX_AGE"] = 0 if pool else None
    options = settings.setdefault("OPTIONS", {})
    # A forgotten transaction or a lock held for ever stops every queue behind it.
    timeouts = "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"
    options["options"] = f"{timeouts} -c statement_timeout={statement_timeout}"
    if pool:
        options["pool"] = {"min_size": 1, "max_size": 8, "timeout": 10}
    return settings


# The application role: reads and writes rows, owns nothing (see docs/decisions/0002).
DATABASE_URL: str = env("DATABASE_URL", default="postgres://countersign_app@localhost/countersign")
# The owner: migrates and holds the guarded functions; never used while serving.
DATABASE_OWNER_URL: str = env("DATABASE_OWNER_URL", default="")
OWNER_DATABASE = (
    database(DATABASE_OWNER_URL, pool=False, statement_timeout="0") if DATABASE_OWNER_URL else None
)
DATABASES = {
    "default": database(
        DATABASE_URL,
        pool=env.bool("DATABASE_POOL", default=False),
        statement_timeout=env("STATEMENT_TIMEOUT", default="10s"),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL: str = env("REDIS_URL", default="redis://127.0.0.1:6379/0")

AUTH_USER_MODEL = "backoffice.User"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("login")
LOGIN_REDIRECT_URL = reverse_lazy("home")
LOGOUT_REDIRECT_URL = reverse_lazy("login")

# Five wrong passwords for one name from one address lock that pair for a quarter of an hour;
# the name alone is never locked, or anyone could lock finance out.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "registration/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False

# Browsers send cookies to every port of a machine: a sandbox beside the live site has its own.
COOKIES = "sandbox-" if SANDBOX else ""
SESSION_COOKIE_NAME = f"{COOKIES}sessionid"
CSRF_COOKIE_NAME = f"{COOKIES}csrftoken"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False  # ui.js sends it with each htmx request
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = ROOT / "var" / "staticfiles"
STATICFILES_DIRS = [ROOT / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 60

SIMPLE_HISTORY_REVERT_DISABLED = True

# Fernet keys, the newest first: it seals secrets of connectors, all of them open. Outside the
# database, or whoever reads a backup reads the secrets.
SECRETS_KEYS: list[str] = env.list("SECRETS_KEYS", default=[])
# The ports that connectors may call, and a file with the certificates of further authorities.
CONNECTORS_PORTS: list[int] = env.list("CONNECTORS_PORTS", cast=int, default=[443])
CONNECTORS_CA_FILE: str = env("CONNECTORS_CA_FILE", default="")
# Plain http to this machine: only development and tests say yes, no environment can.
CONNECTORS_ALLOW_LOOPBACK = False


def mail_settings(default: str) -> dict[str, Any]:
    """Where mail goes: as EMAIL_URL says, and nowhere from a sandbox."""
    found: dict[str, Any] = env.email_url("EMAIL_URL", default=default)
    return {**found, "EMAIL_BACKEND": "backoffice.post.Catcher"} if SANDBOX else found


# Such as smtp+tls://user:password@host:587.
vars().update(mail_settings("smtp://localhost:25"))
# Where people find this site, for links in mails: https://desk.example, without a slash at its end.
SITE_URL: str = env("SITE_URL", default="")
DEFAULT_FROM_EMAIL: str = env("DEFAULT_FROM_EMAIL", default="countersign@localhost")

# A message is a wake-up: nothing durable lives in Redis, so nothing waits for it either.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_CREATE_MISSING_QUEUES = False
# One lane each, so that a long job never stands before the sweep.
# Calls outside wait more than they work: their worker has threads (`-P threads`).
CELERY_TASK_QUEUES = [Queue("internal"), Queue("bulk"), Queue("sweep"), Queue("external")]
CELERY_TASK_DEFAULT_QUEUE = "internal"
CELERY_TASK_ROUTES = {
    "automations.tasks.sweep": {"queue": "sweep"},
    "automations.tasks.call_connector": {"queue": "external"},
    "automations.tasks.scan_slots": {"queue": "bulk"},
    "automations.tasks.apply_to_existing": {"queue": "bulk"},
    "automations.tasks.count_backtests": {"queue": "bulk"},
    "automations.tasks.let_go": {"queue": "bulk"},
    "backoffice.tasks.run_bulk_job": {"queue": "bulk"},
    "backoffice.tasks.sweep_bulk_jobs": {"queue": "sweep"},
    "inventory.tasks.expire_reservations": {"queue": "sweep"},
    "automations.tasks.tend": {"queue": "sweep"},
    "backoffice.tasks.seal_audit": {"queue": "sweep"},
    "backoffice.tasks.check_audit": {"queue": "bulk"},
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_TASK_TIME_LIMIT = 55  # below the 60 s lease
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# No limit of tasks a child: wake-ups are many and small, and a new child takes seconds to begin.
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
# The clock of everything durable: it finds lost wake-ups, due runs and workers that died.
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "automations.tasks.sweep",
        "schedule": 5.0,
        "options": {"queue": "sweep", "expires": 5},
    },
    # Behind the sweep: it counts what was done, finds what is late, and tells people.
    "tend": {
        "task": "automations.tasks.tend",
        "schedule": 15.0,
        "options": {"queue": "sweep", "expires": 15},
    },
    # No act waits for its link in the chain, so that is made soon after.
    "seal-audit": {
        "task": "backoffice.tasks.seal_audit",
        "schedule": 2.0,
        "options": {"queue": "sweep", "expires": 2},
    },
    "check-audit": {
        "task": "backoffice.tasks.check_audit",
        "schedule": crontab(hour=3, minute=20),
    },
    "let-go": {"task": "automations.tasks.let_go", "schedule": crontab(hour=2, minute=40)},
    "mail-notices": {"task": "backoffice.tasks.mail_notices", "schedule": 60.0},
    "bulk-jobs": {"task": "backoffice.tasks.sweep_bulk_jobs", "schedule": 60.0},
    "stock-holds": {"task": "inventory.tasks.expire_reservations", "schedule": 60.0},
    "order-holds": {"task": "orders.tasks.act_on_ended_holds", "schedule": 60.0},
    "preorders": {"task": "orders.tasks.release_preorders", "schedule": 60.0},
    "order-promotions": {"task": "orders.tasks.end_promotions", "schedule": 60.0},
    "forwarding": {"task": "orders.tasks.forward_shipments", "schedule": 60.0},
    "order-news": {"task": "orders.tasks.notice_old_news", "schedule": 60.0},
    "order-reviews": {"task": "orders.tasks.escalate_reviews", "schedule": 60.0},
    "customer-mails": {"task": "support.tasks.send_mails", "schedule": 30.0},
    "carts": {"task": "orders.tasks.sweep_carts", "schedule": 60.0},
    "segments": {"task": "orders.tasks.refresh_segments", "schedule": 60.0},
    # A cut-off that was changed winds its clocks itself; this finds changed weeks and holidays.
    "ship-by": {"task": "orders.tasks.rewind_clocks", "schedule": 600.0},
}
# Celery closes the Django connection around each task otherwise, and each task pays a new sign-in.
CELERY_DB_REUSE_MAX = 1_000_000
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "max_retries": 0,
}

# `json`: one object a line, for machines; `lines`: for eyes.
LOG_FORMAT: str = env("LOG_FORMAT", default="lines")
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "backoffice.logs.JsonLines"},
        "lines": {"()": "backoffice.logs.ReadableLines"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
    "loggers": {
        # Django mails errors and prints requests by itself otherwise.
        "django": {"handlers": [], "propagate": True},
        # A line for each wake-up says less than the line for each batch of runs.
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # At DEBUG it names paths, and the path of a webhook is its secret.
        "urllib3": {"level": "WARNING"},
    },
}

# How long events, runs and calls are kept, and what webhooks said. PostgreSQL refuses to let go of
# events and runs before 400 days: backtests go back 90, auditors a year.
KEEP_DAYS: int = max(env.int("KEEP_DAYS", default=730), 400)
KEEP_BODIES_DAYS: int = max(env.int("KEEP_BODIES_DAYS", default=60), 1)

# How long work that is due may stand still before it is a stall.
STALL_SECONDS: int = env.int("STALL_SECONDS", default=60)

# Prometheus shows this token (`Authorization: Bearer …`) to read /metrics; without one there is no
# such page.
METRICS_TOKEN: str = env("METRICS_TOKEN", default="")

# How many orders a minute arrive at the demonstration company; 0 for none.
DEMO_ORDERS_PER_MINUTE: float = env.float("DEMO_ORDERS_PER_MINUTE", default=4.0)
