"""The person of a request."""

from django.http import HttpRequest

from backoffice.models import User


def signed_in(request: HttpRequest) -> User:
    """The person of this request, who is signed in on every page but the sign-in."""
    assert isinstance(request.user, User)  # noqa: S101 (LoginRequiredMiddleware)
    return request.user
