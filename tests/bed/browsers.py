"""A real browser on a real server: any console error, CSP violation or 5xx fails the test."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    Response,
    expect,
    sync_playwright,
)

from backoffice.models import User
from config.local.browser import on_path
from tests.bed.databases import Database
from tests.bed.people import signed_in
from tests.bed.workers import log_path

AXE = Path(__file__).parent.parent / "browser" / "vendor" / "axe-core" / "axe.min.js"
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
]
# Two cores that also run a worker, a server and PostgreSQL: slow is not wrong.
WAIT_MS = 60_000
expect.set_options(timeout=WAIT_MS)
OpenPage = Callable[..., Page]
SignIn = Callable[[Page, User], None]
CheckAxe = Callable[..., None]


@dataclass(slots=True)
class Troubles:
    """What went wrong in the pages of a test. A test that provokes an error names it first.

    `allow(pattern)` excuses messages that the regular expression finds, such as `status of 403`.
    """

    seen: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        self.allowed.append(pattern)

    def note(self, words: str) -> None:
        self.seen.append(words)

    def left(self) -> list[str]:
        return [words for words in self.seen if not any(re.search(a, words) for a in self.allowed)]

    def watch(self, page: Page) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                self.note(f"console: {message.text} ({message.location.get('url', '')})")

        def on_response(response: Response) -> None:
            if response.status >= 500:
                self.note(f"{response.status} {response.request.method} {response.url}")

        page.on("console", on_console)
        page.on("response", on_response)
        page.on("pageerror", lambda error: self.note(f"script: {error}"))


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a page and its parts would write a dozen lines."""


@dataclass(frozen=True, slots=True)
class Site:
    """The running site."""

    url: str


def find_chromium(playwright: Playwright) -> str | None:
    """The browser to use: $CHROMIUM, `chromium` on the path, Playwright's own; None if none is."""
    own = playwright.chromium.executable_path
    return on_path() or (own if Path(own).exists() else None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the session; without one, a failure where CI=true, else a skip."""
    # Playwright's synchronous interface runs an event loop in this thread, which makes Django
    # believe that tests' queries are made from asynchronous code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        path = find_chromium(playwright)
        if path is None:
            words = "No browser: install chromium, or set CHROMIUM to its path."
            pytest.fail(words) if os.environ.get("CI") == "true" else pytest.skip(words)
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def live_site(committed_db: Database) -> Iterator[Site]:
    """The site on a free port of loopback, on the test's own committed database."""
    server = ThreadedWSGIServer(("localhost", 0), QuietHandler, allow_reuse_address=False)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(f"http://localhost:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def troubles() -> Troubles:
    """What the test's pages complained of; `troubles.allow(pattern)` excuses what it provokes."""
    return Troubles()


@pytest.fixture
def open_page(
    request: pytest.FixtureRequest, browser: Browser, live_site: Site, troubles: Troubles
) -> Iterator[OpenPage]:
    """Open a page of a further person: each has cookies of its own. Keywords as `new_context`."""
    opened: list[Page] = []

    def begin(**options: Any) -> Page:
        values: dict[str, Any] = {
            "base_url": live_site.url,
            "viewport": {"width": 1440, "height": 900},
            "locale": "en-GB",
        }
        context = browser.new_context(**{**values, **options})
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        troubles.watch(page)
        opened.append(page)
        return page

    yield begin
    report = getattr(request.node, "rep_call", None)
    failed = report is None or report.failed
    for number, page in enumerate(opened, 1):
        if failed and not page.is_closed():
            page.screenshot(path=log_path(request, f"page{number}").with_suffix(".png"))
        page.context.close()
    if not failed and troubles.left():
        pytest.fail("The page complained:\n" + "\n".join(troubles.left()))


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page on the live site; relative addresses work (`page.goto("/orders/")`)."""
    return open_page()


@pytest.fixture
def sign_in(live_site: Site) -> SignIn:
    """`sign_in(page, user)`: the page's person is this user, without the form of the login page."""

    def begin(page: Page, user: User) -> None:
        cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies(
            [{"name": cookie.key, "value": cookie.value, "url": live_site.url}]
        )

    return begin


@pytest.fixture(scope="session")
def check_axe() -> CheckAxe:
    """`check_axe(page)`: fail with what axe finds against WCAG 2.2 AA on the page as it stands."""
    source = AXE.read_text()

    def check(page: Page, *, within: str = "html") -> None:
        page.evaluate(source)  # a script element would break our own security policy
        found = page.evaluate(
            "([within, tags]) => axe.run(within, {runOnly: tags, resultTypes: ['violations']})",
            [within, AXE_TAGS],
        )
        lines = [
            f"{violation['id']} ({violation['impact']}): {violation['help']}\n    "
            + "\n    ".join(node["html"][:200] for node in violation["nodes"][:5])
            for violation in found["violations"]
        ]
        if lines:
            pytest.fail(f"axe on {page.url}:\n" + "\n".join(lines))

    return check
