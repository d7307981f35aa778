"""Middleware of the shell."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils import timezone

from backoffice.models import User

NULL = "\0"


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
    """Shows times in the zone of the person who looks at them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            with timezone.override(ZoneInfo(request.user.time_zone)):
                return self.get_response(request)
        return self.get_response(request)
