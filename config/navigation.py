"""The shell's navigation: which screens a role sees, in which order."""

from typing import Any

from django.http import HttpRequest


def shell(request: HttpRequest) -> dict[str, Any]:
    """Template context of the shell."""
    return {"navigation": []}
