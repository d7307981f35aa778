"""A system outside, as a process of its own: it acts, and misbehaves on demand.

What it did stands in a ledger of its own (SQLite), which is the judge: whatever our side believes,
an effect happened as often as the ledger says. Standard library only, so that it starts quickly:

    python -m tests.bed.outside --ledger /tmp/ledger.sqlite --port 0

It prints `listening on 127.0.0.1:PORT`. Anything but GET acts and is answered with 201 and an id;
`GET /things?reference=KEY` and `GET /things/KEY` look it up, `GET /health` answers. With `--dedupe`
a repeated Idempotency-Key gets the first answer again and acts no more.

Behaviours are given with `--behave JSON` or posted to `/_/behave`: a list, of which the first that
fits a request counts. Each says what it does, and when:

    {"do": "act_then_hang", "share": 0.05}       of one request in twenty, by chance
    {"do": "status", "status": 422, "path": "/orders", "method": "POST", "times": 3}
    {"do": "throttle", "retry_after": 2, "first": true}    the first request of each key
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import sqlite3
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TABLES = """
CREATE TABLE IF NOT EXISTS call (id INTEGER PRIMARY KEY, at REAL, method TEXT, path TEXT,
    key TEXT, headers TEXT, body BLOB, did TEXT);
CREATE TABLE IF NOT EXISTS act (id INTEGER PRIMARY KEY, at REAL, key TEXT, path TEXT, sha TEXT);
CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, at REAL, status INTEGER, body BLOB,
    sha TEXT);
CREATE TABLE IF NOT EXISTS over (id INTEGER PRIMARY KEY, at REAL, key TEXT);
CREATE INDEX IF NOT EXISTS act_key ON act (key);
"""
REASONS = {200: "OK", 201: "Created", 302: "Found", 429: "Too Many Requests"}


@dataclass(slots=True)
class Request:
    """One request, completely received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    @property
    def sha(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(slots=True)
class Answer:
    """What is sent back. `drip`: seconds between two bytes."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0

    def written(self) -> bytes:
        reason = REASONS.get(self.status, "Other")
        lines = [f"HTTP/1.1 {self.status} {reason}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if "Content-Type" not in self.headers:
            lines.append("Content-Type: application/json")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Ledger:
    """What the system did, on disk. Any process may read it while it is written."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=OFF")
        self.db.executescript(TABLES)

    def called(self, request: Request, did: str) -> None:
        self.db.execute(
            "INSERT INTO call (at, method, path, key, headers, body, did) VALUES (?,?,?,?,?,?,?)",
            [
                time.time(),
                request.method,
                request.path,
                request.key,
                json.dumps(request.headers),
                request.body,
                did,
            ],
        )

    def act(self, request: Request) -> str:
        """Do it; answers the id of what was made."""
        done = self.db.execute(
            "INSERT INTO act (at, key, path, sha) VALUES (?,?,?,?)",
            [time.time(), request.key, request.path, request.sha],
        )
        return f"T-{done.lastrowid}"

    def known(self, key: str) -> tuple[int, bytes, str, float] | None:
        found: tuple[int, bytes, str, float] | None = self.db.execute(
            "SELECT status, body, sha, at FROM answer WHERE key = ?", [key]
        ).fetchone()
        return found

    def remember(self, request: Request, answer: Answer) -> None:
        self.db.execute(
            "INSERT OR IGNORE INTO answer VALUES (?,?,?,?,?)",
            [request.key, time.time(), answer.status, answer.body, request.sha],
        )

    def made(self, key: str) -> str | None:
        """The id of what was made under a key."""
        found = self.db.execute("SELECT id FROM act WHERE key = ? LIMIT 1", [key]).fetchone()
        return f"T-{found[0]}" if found else None

    def over(self, request: Request) -> None:
        self.db.execute("INSERT INTO over (at, key) VALUES (?,?)", [time.time(), request.key])


@dataclass(slots=True)
class Quota:
    """At most so many calls within so many seconds; what is over is refused and written down."""

    calls: int
    seconds: float
    seen: deque[float] = field(default_factory=deque)

    def takes(self) -> bool:
        now = time.monotonic()
        while self.seen and self.seen[0] <= now - self.seconds:
            self.seen.popleft()
        if len(self.seen) >= self.calls:
            return False
        self.seen.append(now)
        return True


class System:
    """How requests are answered. `None` for an answer: the connection is closed or left hanging."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        seed: int = 0,
        dedupe: bool = False,
        forgets_after: float = 0.0,
        quota: Quota | None = None,
    ) -> None:
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.dedupe = dedupe
        self.forgets_after = forgets_after
        self.quota = quota
        self.behaviours: list[dict[str, Any]] = []
        self.met: set[str] = set()

    def control(self, request: Request) -> Answer:
        given = json.loads(request.body or b"[]")
        if request.path == "/_/behave":
            self.behaviours, self.met = given, set()
        elif request.path == "/_/quota":
            self.quota = Quota(**given) if given else None
        return Answer(200)

    def behaviour(self, request: Request) -> dict[str, Any]:
        for known in self.behaviours:
            if self._fits(known, request):
                if "times" in known:
                    known["times"] -= 1
                return known
        return {"do": "act"}

    def _fits(self, known: dict[str, Any], request: Request) -> bool:
        if not request.path.startswith(known.get("path", "")):
            return False
        if request.method not in known.get("method", request.method):
            return False
        if known.get("times", 1) <= 0 or known.get("key", "") not in request.key:
            return False
        if known.get("first"):
            fresh = request.key not in self.met
            self.met.add(request.key)
            return fresh
        return "share" not in known or self.chance.random() < known["share"]

    def look_up(self, request: Request) -> Answer | None:
        url = urlsplit(request.path)
        if url.path == "/health":
            return Answer(200, b'{"status": "ok"}')
        if url.path == "/things":
            key = parse_qs(url.query).get("reference", [""])[0]
            made = self.ledger.made(key)
            data = [{"id": made, "reference": key}] if made else []
            return Answer(200, json.dumps({"data": data}).encode())
        if url.path.startswith("/things/"):
            made = self.ledger.made(unquote(url.path.removeprefix("/things/")))
            return Answer(200 if made else 404, json.dumps({"id": made}).encode())
        return None

    def act(self, request: Request, status: int = 201) -> Answer:
        """Act, once for each key where it dedupes."""
        if request.method == "GET":
            return self.look_up(request) or Answer(200, json.dumps({"path": request.path}).encode())
        if self.dedupe and request.key:
            known = self.ledger.known(request.key)
            fresh = known is not None and (
                not self.forgets_after or time.time() - known[3] < self.forgets_after
            )
            if known is not None and fresh:
                if known[2] != request.sha:
                    return Answer(422, b'{"error": "This key came with another body."}')
                return Answer(known[0], known[1], {"Idempotent-Replayed": "true"})
        made = self.ledger.act(request)
        answer = Answer(status, json.dumps({"id": made, "status": "done"}).encode())
        if self.dedupe and request.key:
            self.ledger.remember(request, answer)
        return answer

    def refuses(self, request: Request) -> Answer | None:
        """What is over the quota; None: it is not."""
        if self.quota is None or self.quota.takes():
            return None
        self.ledger.over(request)
        return Answer(429, b"{}", {"Retry-After": str(int(self.quota.seconds) or 1)})


async def misbehave(
    system: System, request: Request, how: dict[str, Any]
) -> tuple[Answer | None, bool]:
    """The answer, None for none; and whether the connection is left hanging instead of closed."""
    do = str(how["do"])
    if do in ("hang", "drop"):
        return None, do == "hang"
    if do == "delay":
        await asyncio.sleep(float(how["seconds"]))
    if do in ("status", "throttle", "redirect"):
        status = {"throttle": 429, "redirect": 302}.get(do) or int(how["status"])
        headers = {}
        if "retry_after" in how:
            headers["Retry-After"] = str(how["retry_after"])
        if do == "redirect":
            headers["Location"] = str(how["to"])
        return Answer(status, json.dumps(how.get("body", {"error": "no"})).encode(), headers), False
    answer = system.act(request, int(how.get("status", 201)))
    if do in ("act_then_hang", "act_then_drop"):
        return None, do == "act_then_hang"
    if do == "act_then_500":
        return Answer(500, b'{"error": "broken"}'), False
    return _odd(request, answer, how), False


def _odd(request: Request, answer: Answer, how: dict[str, Any]) -> Answer:
    """Answers that are true and hard to read."""
    if how["do"] == "echo":
        told = {"headers": request.headers, "body": request.body.decode("utf-8", "replace")}
        answer.body = json.dumps({"id": "T-echo", "message": told, **_flat(told)}).encode()
        answer.headers |= {f"X-Echo-{n}": value for n, value in request.headers.items()}
    if how["do"] == "flood":
        answer.body = b'{"id": "T-flood", "rest": "' + b"x" * int(how["bytes"]) + b'"}'
    if how["do"] == "drip":
        answer.drip = float(how["seconds"])
    return answer


def _flat(told: dict[str, Any]) -> dict[str, Any]:
    headers = " ".join(told["headers"].values())
    return {"error": headers, "status": headers, "code": told["body"]}


class Protocol(asyncio.Protocol):
    """As much HTTP/1.1 as our side speaks."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.buffer = b""
        self.transport: asyncio.Transport | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (request := self._request()) is not None:
            self._answer(request)

    def _request(self) -> Request | None:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", "0"))
        if len(self.buffer) < end + 4 + length:
            return None
        body, self.buffer = self.buffer[end + 4 : end + 4 + length], self.buffer[end + 4 + length :]
        method, path, _ = first.split(" ", 2)
        return Request(method, path, headers, body)

    def _answer(self, request: Request) -> None:
        if request.path.startswith("/_/"):
            self._write(self.system.control(request))
            return
        refused = self.system.refuses(request)
        how = self.system.behaviour(request) if refused is None else {"do": "over"}
        self.system.ledger.called(request, str(how["do"]))
        if refused is not None:
            self._write(refused)
        elif how["do"] == "act":
            self._write(self.system.act(request))
        else:
            task = asyncio.get_running_loop().create_task(self._later(request, how))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _later(self, request: Request, how: dict[str, Any]) -> None:
        answer, hangs = await misbehave(self.system, request, how)
        if answer is None:
            if not hangs and self.transport is not None:
                self.transport.close()
            return
        if not answer.drip:
            self._write(answer)
            return
        for byte in answer.written():
            if self.transport is None or self.transport.is_closing():
                return
            self.transport.write(bytes([byte]))
            await asyncio.sleep(answer.drip)

    def _write(self, answer: Answer) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(answer.written())


async def serve(system: System, port: int) -> None:
    """Listen on loopback until the process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(system), "127.0.0.1", port)
    bound = server.sockets[0].getsockname()[1]
    print(f"listening on 127.0.0.1:{bound}", flush=True)  # noqa: T201 - whoever started it reads this
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A system outside that can misbehave.")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dedupe", action="store_true")
    parser.add_argument("--forgets-after", type=float, default=0.0, help="seconds; 0: never")
    parser.add_argument("--quota", help="calls/seconds, such as 40/1")
    parser.add_argument("--behave", default="[]", help="behaviours as JSON")
    given = parser.parse_args()
    quota = None
    if given.quota:
        calls, _, seconds = given.quota.partition("/")
        quota = Quota(int(calls), float(seconds))
    system = System(
        Ledger(given.ledger),
        seed=given.seed,
        dedupe=given.dedupe,
        forgets_after=given.forgets_after,
        quota=quota,
    )
    system.behaviours = json.loads(given.behave)
    asyncio.run(serve(system, given.port))


if __name__ == "__main__":
    main()
