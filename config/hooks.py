"""Webhooks come in before sessions, people and pages: none of these has a say in them."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from automations.engine import wake
from automations.intake import door

ADDRESS = re.compile(rf"{door.PREFIX}([-a-zA-Z0-9_]{{1,60}})/?")


class HookMiddleware:
    """Answers below /hooks/; everything else goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(door.PREFIX):
            return self.get_response(request)
        found = ADDRESS.fullmatch(request.path_info)
        # No source has such a name: it is answered like one that is not open.
        answer, fresh = door.receive(request, found[1] if found else "")
        if fresh:
            wake.send("take")
        answer["Cache-Control"] = "no-store"
        return answer
