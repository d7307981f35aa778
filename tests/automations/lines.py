"""Connectors for tests: accounts whose scope is approved, leading to fakes on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from automations.engine import outside
from automations.engine.outside import call_lane
from automations.models.connectors import ConnectorAccount
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.services import approvals, connectors
from backoffice.actors import person
from tests.automations import factories as make

WEB = "automations.http"
LOOK_UP = {"look_up_path": "/things?reference={key}", "look_up_found": "data.0.id"}


def administrator() -> Any:
    return person(make.staff("administrator", "keeper"))


def web_account(url: str, *, name: str = "Carrier", token: str = "", **scope: Any) -> Any:
    """An account at a web service, its scope in force."""
    account = connectors.create_account(name=name, kind=WEB, actor=administrator())
    given = {"base": url, "auth": "none", "per_minute": 60_000, "burst": 1_000, "cap": 8, **scope}
    if token:
        given["auth"] = "bearer"
    approve_scope(account, **given)
    if token:
        connectors.store_secret(account.pk, name="token", value=token, actor=administrator())
    return account


def submit_scope(account: ConnectorAccount, **given: Any) -> Document:
    scope = connectors.checked_scope(account, given)
    return connectors.submit_scope(account.pk, scope=scope, why="Needed.", actor=administrator())


def approve_scope(account: ConnectorAccount, **given: Any) -> Document:
    document = submit_scope(account, **given)
    approvals.approve(
        document.pk,
        sha256=document.sha256,
        actor=person(make.staff("finance", "approver-finance")),
    )
    return document


def call_step(to: ConnectorAccount, uid: str = "a1", **given: Any) -> dict[str, Any]:
    """A step that tells the service about the parcel."""
    body = {"number": "{{ parcel.number }}", "total": {"field": "parcel.total"}}
    values = {
        "account": to.key,
        "method": "POST",
        "path": "/parcels",
        "body": json.dumps(body),
        **given,
    }
    return {"uid": uid, "do": "automations.call_http", "with": values}


def live_caller(account: ConnectorAccount, *more: dict[str, Any], **changes: Any) -> Rule:
    """A live rule that calls an account for each parcel, then does more."""
    return make.live_rule(steps=[call_step(account), *more], **changes)


def work_lanes(*accounts: ConnectorAccount) -> int:
    """Match, execute and call until nothing is left; answers how many calls were made."""
    calls = 0
    while True:
        make.work_all()
        made = sum(call_lane(account.key) for account in accounts)
        calls += made
        if not made:
            return calls


def until(done: Callable[[], bool], *acts: Callable[[], Any], times: int = 200) -> None:
    """Do these again and again until it is so."""
    for _ in range(times):
        if done():
            return
        for act in acts:
            act()
    raise AssertionError("It did not get there.")


class _NoSeats(dict[str, bool]):
    def __contains__(self, key: object) -> bool:
        return False

    def pop(self, key: str, *default: Any) -> bool:
        return False


def as_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let threads work a lane as processes do: each has drivers of its own."""
    monkeypatch.setattr(outside, "_seats", _NoSeats())
