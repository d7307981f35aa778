"""Middleware of the shell."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.urls import reverse
from django.utils import timezone

from backoffice import entrances, logs
from backoffice.models import User
from backoffice.workbench import respond

logger = logging.getLogger(__name__)

# What log lines of a request carry: its id, and who asked once that is known.
IDS = "countersign.log_ids"
_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
NULL = "\0"
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class RequestLogMiddleware:
    """Gives each request an id, binds it to all lines logged meanwhile, and logs how it ended.

    An id that a proxy made (`X-Request-ID`) is kept; the answer carries it. Routes are logged,
    never addresses: those hold what people search for.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        ids = {"request_id": given if _ID.fullmatch(given) else uuid4().hex}
        request.META[IDS] = ids
        began = perf_counter()
        with logs.about(lambda: ids):
            response = self.get_response(request)
            match = request.resolver_match
            route = f"/{match.route}" if match else "no such page"
            logger.info(
                "%s %s %s",
                request.method,
                route,
                response.status_code,
                extra={
                    "method": request.method,
                    "route": route,
                    "status": response.status_code,
                    "ms": round((perf_counter() - began) * 1000, 1),
                },
            )
        response["X-Request-ID"] = ids["request_id"]
        return response


class NoNullsMiddleware:
    """Refuses null characters, which PostgreSQL's text can't hold and nobody types."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if self._holds_one(request):
            return HttpResponseBadRequest("This holds a null character. Type it again.")
        return self.get_response(request)

    def _holds_one(self, request: HttpRequest) -> bool:
        texts = [request.path]
        for query in (request.GET, request.POST):
            texts += [text for key, values in query.lists() for text in (key, *map(str, values))]
        return any(NULL in text for text in texts)


class UserTimeZoneMiddleware:
    """Shows times in the zone of the person who looks at them, and names them in the log by id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            request.META.get(IDS, {})["user_id"] = request.user.pk
            with timezone.override(ZoneInfo(request.user.time_zone)):
                return self.get_response(request)
        return self.get_response(request)


class RefusalMiddleware:
    """Records what people tried to do and may not; what they only looked for is no attempt."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Called once the view's transaction, if it had one, is rolled back."""
        attempted = isinstance(exception, PermissionDenied) and request.method not in SAFE
        if attempted and isinstance(request.user, User):
            entrances.refuse(request, request.user)


class FirstPasswordMiddleware:
    """Opens nothing but the change of a password that somebody else knows."""

    OPEN = ("me_password", "logout", "login")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, *_: object) -> HttpResponse | None:
        user, match = request.user, request.resolver_match
        if not isinstance(user, User) or not user.password_is_first:
            return None
        if match is not None and match.view_name in self.OPEN:
            return None
        return respond.go(request, reverse("me_password"), "Choose a password of your own first")
