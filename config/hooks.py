"""Webhooks come in before sessions, people and pages: none of these has a say in them.

The web processes answer them before Django makes a request of them (`before`), which saves a sixth
of what one costs; where Django is served by itself, as in tests, the middleware does the same.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse

from automations.engine import wake
from automations.intake import door

logger = logging.getLogger(__name__)

ADDRESS = re.compile(rf"{door.PREFIX}([-a-zA-Z0-9_]{{1,60}})/?")


# Webhooks that come within so short a time share a wake-up.
TOGETHER_SECONDS = 0.003


class Waker:
    """Wakes a worker from a thread of its own, so that no sender waits for Redis.

    Whoever asks has committed; it is asked for after that, so nothing committed goes unseen.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._begun = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have a worker woken within milliseconds; begins the thread in a process that forked."""
        self._asked.set()
        if self._thread is None or not self._thread.is_alive():
            with self._begun:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="waker", daemon=True)
                    self._thread.start()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            wake.send("take")
            time.sleep(TOGETHER_SECONDS)


waker = Waker()


def answer(request: HttpRequest) -> HttpResponse:
    """Answer a webhook, and have a worker woken when it is new."""
    found = ADDRESS.fullmatch(request.path_info)
    # No source has such a name: it is answered like one that is not open.
    told, fresh = door.receive(request, found[1] if found else "")
    if fresh:
        waker.ask()
    told["Cache-Control"] = "no-store"
    return told


class HookMiddleware:
    """Answers below /hooks/; everything else goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(door.PREFIX):
            return self.get_response(request)
        return answer(request)


Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def before(application: Application) -> Application:
    """A WSGI application that answers below /hooks/ itself and leaves the rest to another."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith(door.PREFIX):
            return application(environ, start_response)
        try:
            told = answer(WSGIRequest(environ))
        except Exception:
            logger.exception("A delivery could not be answered")
            told = HttpResponse("It could not be taken. Send it again later.\n", status=500)
        finally:
            # Django would, at the end of a request: it goes back to the pool.
            if connection.connection is not None:
                connection.close()
        start_response(f"{told.status_code} {told.reason_phrase}", list(told.items()))
        return [told.content]

    return serve
