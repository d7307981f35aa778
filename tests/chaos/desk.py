"""A member of staff who answers a ticket, again and again until the site says it has it."""

from __future__ import annotations

import re
import threading
import time

import requests
from django.conf import settings
from django.db import connection
from django.test import Client

from support.models import Ticket
from support.services.opening import NewTicket, open_tickets
from tests.automations import factories as make
from tests.chaos.company import CHAOS

PAUSE_SECONDS = 0.4
VERSION = re.compile(r'name="version"[^>]*value="(\d+)"')
TOKEN = "c" * 32


class Desk:
    """Replies by HTTP, each under a key of its own, sent again when no answer came."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        # Each key, and whether the site said that it took it.
        self.replies: dict[str, bool] = {}
        self.repeats = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._session = requests.Session()
        self._page = ""

    def start(self) -> None:
        """Open the ticket, sign in, and begin."""
        new = NewTicket(subject="Where is it?", actor=CHAOS, key="chaos:desk")
        (opened,) = open_tickets([new])
        ticket = Ticket.objects.get(pk=opened.ticket.pk)
        self._page = f"{self.base}/tickets/{ticket.number}/"
        client = Client()
        client.force_login(
            make.staff("support", "desk"), backend="django.contrib.auth.backends.ModelBackend"
        )
        name = settings.SESSION_COOKIE_NAME
        self._session.cookies.set(name, client.cookies[name].value)
        self._session.cookies.set(settings.CSRF_COOKIE_NAME, TOKEN)
        self._session.headers["X-CSRFToken"] = TOKEN
        connection.close()
        self._thread = threading.Thread(target=self._run, name="desk")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._session.close()

    def _run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            key = f"desk:{number}"
            self.replies[key] = False
            while not self._stopping.is_set():
                if self._reply(key):
                    self.replies[key] = True
                    break
                self.repeats += 1
                time.sleep(PAUSE_SECONDS)
            self._stopping.wait(PAUSE_SECONDS)

    def _reply(self, key: str) -> bool:
        try:
            page = self._session.get(self._page, timeout=10)
            version = VERSION.search(page.text)
            if page.status_code != 200 or version is None:
                return False
            given = {"text": f"Reply {key}", "then": "pending", "key": key}
            answer = self._session.post(
                f"{self._page}_/reply/",
                {**given, "version": version[1]},
                timeout=10,
                allow_redirects=False,
            )
        except requests.RequestException:
            return False
        return answer.status_code in (200, 204, 302)
