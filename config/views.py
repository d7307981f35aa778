"""Home, which composes every app."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest) -> HttpResponse:
    """What needs this person, what is late and what is broken."""
    return render(request, "config/home.html")
