"""What an account may do: the document that finance approves, and how two of them differ.

Tightening it (fewer calls, fewer methods, fewer hosts) takes one person, all else takes two.
PostgreSQL decides which of them a change is (automations_tighten_document); this says it in words.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automations.rules.changes import Change, titled

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What has no effect over there may be repeated.
SAFE = frozenset({"GET"})
KEEP = ("code", "error", "error.code", "error.message", "id", "message", "status")
Short = Annotated[str, Field(max_length=200)]


class Scope(BaseModel):
    """One version of what an account may do. Each kind of connector uses some of the fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)

    schema_version: Literal[1] = Field(alias="schema", default=1)
    kind: Short
    # Where: one place and all below it, or the hosts that a secret address may name.
    base: Annotated[str, Field(max_length=500)] = ""
    hosts: Annotated[list[Short], Field(max_length=20)] = []
    methods: list[Method] = []
    auth: Literal["none", "bearer", "basic", "header"] = "none"
    auth_header: Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9-]*$")] = ""
    # How much.
    per_minute: Annotated[int, Field(ge=1, le=600_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)]
    cap: Annotated[int, Field(ge=1, le=64)]
    connect_seconds: Annotated[int, Field(ge=1, le=10)] = 3
    total_seconds: Annotated[int, Field(ge=1, le=30)] = 20
    request_kb: Annotated[int, Field(ge=1, le=1_024)] = 256
    response_kb: Annotated[int, Field(ge=1, le=5_120)] = 1_024
    # Which values of requests and answers the call log may keep, by path.
    keep: Annotated[list[Short], Field(max_length=40)] = []
    # How to ask whether something happened, by our reference.
    look_up_path: Short = ""
    look_up_found: Short = ""
    look_up_absent: Literal["ask", "retry"] = "ask"
    # What to ask whether it is up again.
    health_path: Short = ""
    sender: Short = ""

    @property
    def per_second(self) -> float:
        return self.per_minute / 60

    def canonical(self) -> str:
        """The scope as one line of JSON, keys sorted; equal scopes have equal texts."""
        return _dump(self.model_dump(by_alias=True))


class ScopeInvalid(ValueError):
    """A scope that is not taken; `errors` are sentences by field."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(said for known in errors.values() for said in known))
        self.errors = dict(errors)


def _dump(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return unicodedata.normalize("NFC", text)


def read_scope(raw: Mapping[str, Any] | str) -> Scope:
    """A scope out of JSON; raises ScopeInvalid with what is wrong, by field."""
    try:
        return Scope.model_validate(json.loads(raw) if isinstance(raw, str) else raw)
    except ValidationError as error:
        found: dict[str, list[str]] = {}
        for each in error.errors():
            found.setdefault(str(each["loc"][0]) if each["loc"] else "", []).append(each["msg"])
        raise ScopeInvalid(found) from error
    except ValueError as error:
        raise ScopeInvalid({"": ["This is no JSON."]}) from error


# --- in words -----------------------------------------------------------------------------------

AUTHS = {
    "none": "no sign-in",
    "bearer": "a bearer token",
    "basic": "a user name and a password",
    "header": "a key in a header",
}
ABSENT = {
    "ask": "a person decides",
    "retry": "it is tried again under the same reference",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a scope in words. `name` is the field."""

    name: str
    title: str
    words: str


def lines(scope: Scope) -> list[Line]:
    """A scope as an approver reads it; what it does not use is left out."""
    return [line for line in _lines(scope) if line.words]


def _lines(scope: Scope) -> Iterator[Line]:
    yield Line("base", "Calls", scope.base and f"{scope.base} and what is below it")
    yield Line("hosts", "Hosts", ", ".join(sorted(scope.hosts)))
    yield Line("methods", "Methods", ", ".join(scope.methods))
    sign_in = AUTHS[scope.auth] + (f" ({scope.auth_header})" if scope.auth_header else "")
    yield Line("auth", "Signs in with", sign_in if scope.base else "")
    yield Line("sender", "Sender", scope.sender)
    yield Line("per_minute", "Rate", f"{scope.per_minute:,} calls a minute")
    yield Line("burst", "At most at a moment", f"{scope.burst:,} calls")
    yield Line("cap", "Under way at once", f"{scope.cap:,} calls")
    yield Line("connect_seconds", "Waits for a connection", f"{scope.connect_seconds} s")
    yield Line("total_seconds", "Waits for an answer", f"{scope.total_seconds} s in all")
    yield Line("request_kb", "Sends at most", f"{scope.request_kb:,} kB")
    yield Line("response_kb", "Reads at most", f"{scope.response_kb:,} kB")
    yield Line("look_up_path", "Looks up by our reference", _look_up(scope))
    absent = ABSENT[scope.look_up_absent] if scope.look_up_path else ""
    yield Line("look_up_absent", "Not there after 15 minutes", absent)
    yield Line("health_path", "Asks whether it is up", scope.health_path)
    yield Line("keep", "Keeps in the call log", ", ".join(sorted(scope.keep)))


def _look_up(scope: Scope) -> str:
    if not scope.look_up_path:
        return ""
    found = f", there when {scope.look_up_found} is" if scope.look_up_found else ""
    return f"GET {scope.look_up_path}{found}"


def differences(before: Scope | None, after: Scope) -> list[Change]:
    """What a scope changes, line by line; against None all of it is new."""
    was = {line.name: line for line in lines(before)} if before else {}
    now = {line.name: line for line in lines(after)}
    return [
        titled(
            name,
            (now.get(name) or was[name]).title,
            was[name].words if name in was else "",
            now[name].words if name in now else "",
        )
        for name in dict.fromkeys([*now, *was])
        if (now[name].words if name in now else "") != (was[name].words if name in was else "")
    ]


# --- tighter ------------------------------------------------------------------------------------

LOWER = ("per_minute", "burst", "cap", "request_kb", "response_kb")
FEWER = ("hosts", "methods", "keep")


def is_tighter(before: Scope, after: Scope) -> bool:
    """Whether one person may put `after` in force in the place of `before`."""
    was, now = before.model_dump(), after.model_dump()
    if was == now:
        return False
    return all(_no_looser(name, was[name], now[name]) for name in was)


def _no_looser(name: str, was: Any, now: Any) -> bool:
    if name in LOWER:
        return bool(now <= was)
    if name in FEWER:
        return _fewer(was, now)
    return bool(was == now)


def _fewer(was: Sequence[str], now: Sequence[str]) -> bool:
    return set(now) <= set(was) and (bool(now) or not was)
