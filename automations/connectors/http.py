"""A web service with an HTTP interface: JSON in, JSON out, our reference as its idempotency key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar
from urllib.parse import quote

from automations.actions import ConnectorDown, InDoubt, Rejected, RetryLater, TooMany
from automations.connectors.kinds import (
    Account,
    Answer,
    Connector,
    Found,
    SecretName,
    Trace,
    kinds,
)
from automations.connectors.redaction import excerpt, parsed, pick, without
from automations.connectors.scope import KEEP, SAFE, Scope
from automations.connectors.targets import Target, TargetInvalid, below, read_url
from automations.connectors.transport import Reply

# Answers by which a server says that it did nothing. 409 is none of them: it may tell of an earlier
# attempt that went through; neither is 408, nor anything of the 5xx.
NOT_DONE = frozenset({400, 402, 403, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 422, 431})
LONGEST_WAIT = timedelta(hours=24)
REFERENCE = "{key}"
# Where services put what went wrong, and what they call what they made.
TOLD = ("message", "error.message", "error", "detail", "code")
MADE = ("id", "data.id", "reference", "number")


def retry_after(reply: Reply, now: datetime) -> timedelta | None:
    """How long the other side asks to be left alone; None when it names no time."""
    raw = reply.headers.get("retry-after", "").strip()
    if raw.isdecimal():
        return min(timedelta(seconds=int(raw[:9])), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(raw)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(0), min(until - now, LONGEST_WAIT))


def told(account: Account, reply: Reply, trace: Trace) -> str:
    """What the other side said went wrong, as far as the scope lets us keep it."""
    content = parsed(reply.body)
    for path in TOLD:
        value = pick(content, path) if path in account.scope.keep else None
        if isinstance(value, str) and value:
            return f": {without(value, trace.hidden)[:200]}"
    return ""


def judge(account: Account, reply: Reply, trace: Trace, *, repeats: bool) -> None:
    """What a status means; raises the Outcome, or returns when it is done.

    `repeats`: what was asked has no effect over there, so nothing about it can be in doubt.
    """
    status, name = reply.status, account.name
    if 200 <= status < 300:
        return
    if status == 429:
        raise TooMany(f"{name} asks for fewer calls.", retry_after(reply, datetime.now(UTC)))
    if status == 401:
        raise ConnectorDown(f"{name} does not accept the credentials (401).")
    if status in NOT_DONE or (repeats and 300 <= status < 500):
        raise Rejected(f"{name} refused it ({status}){told(account, reply, trace)}.")
    if repeats:
        raise RetryLater(f"{name} answered {status}.", retry_after(reply, datetime.now(UTC)))
    raise InDoubt(f"{name} answered {status}, which does not say whether it was done.")


class _OverHTTP(Connector):
    """What all kinds share that speak HTTP: how they sign in, and how answers are read."""

    def headers(self, account: Account, trace: Trace) -> dict[str, str]:
        """The headers that sign in; raises ConnectorDown when a secret is missing."""
        scope = account.scope
        try:
            if scope.auth == "bearer":
                return {"Authorization": f"Bearer {account.use('token', trace)}"}
            if scope.auth == "header":
                return {scope.auth_header: account.use("token", trace)}
            if scope.auth == "basic":
                user, password = account.use("user", trace), account.use("password", trace)
                coded = base64.b64encode(f"{user}:{password}".encode()).decode()
                trace.hidden.add(coded)
                return {"Authorization": f"Basic {coded}"}
        except KeyError as error:
            raise ConnectorDown(f"{account.name} has no {error.args[0]}: store one.") from error
        return {}


@kinds.register
class WebService(_OverHTTP):
    """Calls a place and what is below it."""

    key = "automations.http"
    label = "Web service"
    about = "A service with an HTTP interface that takes and answers JSON."
    fields: ClassVar[Mapping[str, Any]] = {
        "base": "",
        "methods": ["GET", "POST"],
        "auth": "bearer",
        "auth_header": "",
        "per_minute": 60,
        "burst": 10,
        "cap": 4,
        "connect_seconds": 3,
        "total_seconds": 20,
        "request_kb": 256,
        "response_kb": 1_024,
        "look_up_path": "",
        "look_up_found": "",
        "look_up_absent": "ask",
        "health_path": "",
        "keep": list(KEEP),
    }
    secrets = (
        SecretName("token", "Token", "For a bearer token or a key in a header."),
        SecretName("user", "User name", "For a user name and a password."),
        SecretName("password", "Password"),
    )

    def secret_names(self, scope: Scope) -> tuple[SecretName, ...]:
        wanted = {"bearer": ("token",), "header": ("token",), "basic": ("user", "password")}
        return tuple(s for s in self.secrets if s.name in wanted.get(scope.auth, ()))

    def problems(self, scope: Scope) -> Iterator[tuple[str, str]]:
        try:
            base = read_url(scope.base)
        except TargetInvalid as error:
            yield "base", str(error)
            return
        if "?" in base.path:
            yield "base", "Leave the query out: each step adds its own."
        if not scope.methods:
            yield "methods", "Choose at least one method."
        if scope.auth == "header" and not scope.auth_header:
            yield "auth_header", "Name the header that carries the key."
        for name in ("look_up_path", "health_path"):
            if (text := getattr(scope, name)) != "":
                yield from _path_problems(base, name, text)
        if scope.look_up_path and REFERENCE not in scope.look_up_path:
            yield "look_up_path", f"Say where our reference stands: {REFERENCE}."

    def check_secret(self, name: str, value: str, scope: Scope | None) -> str:
        if name == "token" and not (value.isascii() and value.isprintable() and " " not in value):
            return "A token has letters, digits and signs only: no spaces, no line breaks."
        return ""

    def repeats(self, asked: Mapping[str, Any]) -> bool:
        return asked["method"] in SAFE

    def call(
        self,
        account: Account,
        asked: Mapping[str, Any],
        effect: str,
        trace: Trace,
        gate: Callable[[], None],
    ) -> Answer:
        method = _allowed(account, asked)
        reference = account.reference(effect)
        reply = self._ask(account, trace, gate, method, asked["path"], asked.get("json"), reference)
        judge(account, reply, trace, repeats=method in SAFE)
        kept = trace.response or {}
        content = parsed(reply.body)
        made = next((str(v) for path in MADE if (v := pick(content, path)) is not None), "")
        says = f"{account.name} answered {reply.status} to {method} {asked['path']}."
        return Answer(says, without(made, trace.hidden)[:200], kept)

    def foretell(self, account: Account, asked: Mapping[str, Any], trace: Trace) -> None:
        trace.method = _allowed(account, asked)
        target, content = _target(account, asked["path"]), asked.get("json")
        trace.host, trace.path = target.host, target.path
        body = _body(account, content) if content is not None else None
        trace.request = excerpt(body, account.scope.keep, trace.hidden)

    def _ask(
        self,
        account: Account,
        trace: Trace,
        gate: Callable[[], None],
        method: str,
        path: str,
        content: Any,
        reference: str,
    ) -> Reply:
        target = _target(account, path)
        headers = {"Accept": "application/json", **self.headers(account, trace)}
        if reference:
            headers["Idempotency-Key"] = reference
        body = None
        if content is not None:
            headers["Content-Type"] = "application/json"
            body = _body(account, content)
        return account.exchange(trace, method, target, headers, body, gate)

    def can_look_up(self, scope: Scope) -> bool:
        return scope.look_up_path != ""

    def look_up(
        self, account: Account, effect: str, trace: Trace, gate: Callable[[], None]
    ) -> Found:
        scope = account.scope
        reference = quote(account.reference(effect), safe="")
        path = scope.look_up_path.replace(REFERENCE, reference)
        reply = self._ask(account, trace, gate, "GET", path, None, "")
        if reply.status == 404:
            return Found(False, f"{account.name} knows nothing by this reference (404).")
        judge(account, reply, trace, repeats=True)
        content = parsed(reply.body)
        if not reply.complete or content is None:
            return Found(None, f"{account.name} gave an answer that can't be read.")
        made = pick(content, scope.look_up_found) if scope.look_up_found else True
        if made in (None, "", False, 0) or made == [] or made == {}:
            return Found(False, f"{account.name} knows nothing by this reference.")
        shown = str(made)[:200] if isinstance(made, str | int) and made is not True else ""
        shown = without(shown, trace.hidden)
        return Found(True, f"{account.name} has it{f': {shown}' if shown else ''}.", shown)

    def can_probe(self, scope: Scope) -> bool:
        return scope.health_path != ""

    def probe(self, account: Account, trace: Trace, gate: Callable[[], None]) -> None:
        reply = self._ask(account, trace, gate, "GET", account.scope.health_path, None, "")
        judge(account, reply, trace, repeats=True)


def _allowed(account: Account, asked: Mapping[str, Any]) -> str:
    method = str(asked["method"])
    if method not in account.scope.methods:
        raise Rejected(f"{account.name} may not be called with {method}.")
    return method


def _target(account: Account, path: str) -> Target:
    try:
        return below(read_url(account.scope.base), path)
    except TargetInvalid as error:
        raise Rejected(f"This address is not called: {error}") from error


def _body(account: Account, content: Any) -> bytes:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    if len(body) > account.transport.limits.request:
        raise Rejected("What would be sent is longer than the scope allows.")
    return body


def _path_problems(base: Any, name: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        below(base, text.replace(REFERENCE, "key"))
    except TargetInvalid as error:
        yield name, str(error)
