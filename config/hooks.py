"""Webhooks come in before sessions, people and pages: none of these has a say in them."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from automations.engine import wake
from automations.intake import door

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
            waker.ask()
        answer["Cache-Control"] = "no-store"
        return answer
