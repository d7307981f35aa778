"""What the processes of the Procfile hold in memory, and what a first visit loads.

Memory is PSS: what several processes share counts once.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Browser, sync_playwright

from backoffice.models import User
from config.local.services import free_port
from orders.models.orders import Order
from tests.bed.browsers import FLAGS, find_chromium
from tests.bench import company, engine
from tests.bench.results import Result

COUNTED = ("web", "worker", "beat")
EVENTS = 100_000
REST_SECONDS = 10


def commands(port: int) -> dict[str, tuple[list[str], dict[str, str]]]:
    """What the Procfile starts, with the settings that it gives each."""
    found = {}
    for line in (settings.ROOT / "Procfile").read_text(encoding="utf-8").splitlines():
        name, _, words = line.partition(":")
        parts = shlex.split(words.replace("$PORT", str(port)).replace("0.0.0.0", "127.0.0.1"))
        given = dict(part.split("=", 1) for part in takewhile(_is_setting, parts))
        command = parts[len(given) :]
        celery = [sys.executable, "-m", "celery"]
        start = celery if command[0] == "celery" else [sys.executable]
        found[name] = ([*start, *command[1:]], given)
    return found


def _is_setting(word: str) -> bool:
    return "=" in word and word.partition("=")[0].isupper()


@contextmanager
def site(url: str, folder: Path) -> Iterator[tuple[str, dict[str, subprocess.Popen[bytes]]]]:
    """Web, worker and beat on a database: the address, and the processes by name."""
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
        "BENCH_STATIC": str(folder / "static"),
        "LOG_LEVEL": "WARNING",
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "-v", "0"]
    subprocess.run(collect, env=env, check=True)
    running = {}
    try:
        for name in COUNTED:
            command, given = commands(port)[name]
            if name == "beat":
                command += ["--schedule", str(folder / "schedule")]
            running[name] = subprocess.Popen(command, env=env | given, start_new_session=True)
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/readyz")
        yield address, running
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait(60)


def megabytes(process: subprocess.Popen[bytes]) -> float:
    """The proportional set size of a process and of all that it started, in MB."""
    found, waiting = 0, [process.pid]
    while waiting:
        pid = waiting.pop()
        folder = Path(f"/proc/{pid}")
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found += int(line.split()[1])
        for task in (folder / "task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    return found / 1024


def measure_memory(staff: dict[str, User], url: str) -> list[Result]:
    """At rest, and after many events while people look at lists."""
    with tempfile.TemporaryDirectory() as name, site(url, Path(name)) as (address, running):
        urllib.request.urlopen(f"{address}/login/").close()
        time.sleep(REST_SECONDS)
        found = [_memory("at_rest", running, "", must=450, aim=300)]
        engine.make_rules(staff)
        orders = Order.objects.count()
        cookie = company.client_of(staff["administrator"]).cookies["sessionid"].value
        for _ in range(-(-EVENTS // orders)):
            engine.untag()
            engine.runs_per_second(orders)
            _look(address, cookie)
        note = f"{EVENTS:,} events, {engine.RULES} rules, lists looked at"
        return [*found, _memory("after_events", running, note, must=600, aim=400)]


def _memory(
    name: str, running: dict[str, subprocess.Popen[bytes]], note: str, *, must: int, aim: int
) -> Result:
    each = {part: megabytes(process) for part, process in running.items()}
    parts = ", ".join(f"{part} {size:.0f}" for part, size in each.items())
    says = f"{parts}; {note}" if note else parts
    return Result(f"memory.mb.{name}", sum(each.values()), "MB", note=says, must=must, aim=aim)


def _look(address: str, cookie: str) -> None:
    for name in ("order_list", "run_list", "customer_list", "home"):
        asked = urllib.request.Request(f"{address}{reverse(name)}")
        asked.add_header("Cookie", f"sessionid={cookie}")
        urllib.request.urlopen(asked).close()


def measure_first_visit(staff: dict[str, User], url: str) -> list[Result]:
    """The heaviest of what a browser that knows nothing of the site loads for one page."""
    order = Order.objects.order_by("pk")[1:2].get()
    addresses = {
        "sign-in": "/login/",
        "home": reverse("home"),
        "orders": reverse("order_list"),
        "order": reverse("order_detail", args=[order.number]),
    }
    cookie = company.client_of(staff["operations"]).cookies["sessionid"].value
    with (
        tempfile.TemporaryDirectory() as name,
        site(url, Path(name)) as (address, _),
        sync_playwright() as playwright,
    ):
        found = find_chromium(playwright)
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        sizes = {
            part: _kilobytes(browser, address, path, "" if part == "sign-in" else cookie)
            for part, path in addresses.items()
        }
        browser.close()
    heaviest = max(sizes.values())
    note = ", ".join(f"{part} {size:.0f}" for part, size in sizes.items())
    return [Result("pages.first_visit_kb", heaviest, "kB", note=note, must=200, aim=130)]


def _kilobytes(browser: Browser, address: str, path: str, cookie: str) -> float:
    """Kilobytes on the wire, headers included, until nothing more is asked for."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    if cookie:
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": address}])
    page = context.new_page()
    loaded: list[float] = []
    wire = context.new_cdp_session(page)
    wire.on("Network.loadingFinished", lambda told: loaded.append(told["encodedDataLength"]))
    wire.send("Network.enable")
    answer = page.goto(f"{address}{path}", wait_until="networkidle")
    if answer is None or answer.status != 200 or not page.url.endswith(path):
        raise RuntimeError(f"{path} can't be visited: {page.url}")
    context.close()
    return sum(loaded) / 1000


def _wait_for(address: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(address).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{address} did not answer.")
