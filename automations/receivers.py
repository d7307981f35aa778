"""What domains announce becomes events and cases, in the announcing transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automations.cases import CaseKind, cases
from automations.engine.failures import close_domain_cases, open_domain_cases
from automations.engine.record import record_facts
from automations.triggers import Feed, Trigger, triggers


def _on_fact(trigger: Trigger) -> Callable[..., None]:
    def receive(sender: object, signal: object, **sent: Any) -> None:
        facts = trigger.facts(**sent)
        if facts:
            record_facts(trigger, facts)

    return receive


def _on_case(kind: CaseKind) -> Callable[..., None]:
    def receive(sender: object, signal: object, **sent: Any) -> None:
        open_domain_cases(kind, kind.cases(**sent))

    return receive


def _on_mended(kind: CaseKind) -> Callable[..., None]:
    def receive(sender: object, signal: object, **sent: Any) -> None:
        close_domain_cases(kind, kind.closed(**sent))

    return receive


def connect_trigger(trigger: Trigger) -> None:
    """Record an event for each fact of this trigger from now on."""
    uid = f"automations.trigger.{trigger.key}"
    trigger.signal.connect(_on_fact(trigger), weak=False, dispatch_uid=uid)


def connect_case(kind: CaseKind) -> None:
    """Open a case for each exception of this kind from now on, and close it when it is over."""
    uid = f"automations.case.{kind.key}"
    kind.signal.connect(_on_case(kind), weak=False, dispatch_uid=uid)
    for signal in kind.closed_signals:
        signal.connect(_on_mended(kind), weak=False, dispatch_uid=f"{uid}.closed")


def connect() -> None:
    """Connect everything that the apps registered."""
    for trigger in triggers:
        if not isinstance(trigger, Feed):
            connect_trigger(trigger)
    for kind in cases:
        connect_case(kind)
