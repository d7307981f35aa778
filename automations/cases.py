"""Kinds of case that a domain raises for people, through the same door as failed runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from django.dispatch import Signal

from automations.registry import Registry
from backoffice.money import Money


@dataclass(frozen=True, slots=True)
class NewCase:
    """One case to open. Cases of the same `cause` are grouped; `key` keeps a repeat from doubling.

    `says` is a plain sentence; `fallback` says what a person can do; `at_stake` None means no
    money is involved. `urgent` puts it before everything else.
    """

    key: str
    cause: str
    says: str
    subject_id: int | None
    at_stake: Money | None = None
    fallback: str = ""
    detail: dict[str, str] = field(default_factory=dict)
    urgent: bool = False


class CaseKind:
    """A kind of case, raised when the domain sends `signal`.

    It closes by itself when one of `closed_signals` says that what it tells of is over; `closed`
    names the keys of such cases, and `closed_says` is what the case then says of it.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    subject: ClassVar[str]
    signal: ClassVar[Signal]
    closed_signals: ClassVar[Sequence[Signal]] = ()
    closed_says: ClassVar[str] = "It is no longer so."

    # Takes what the signal sends: cases(**sent) -> Sequence[NewCase].
    cases: Callable[..., Sequence[NewCase]]
    # closed(**sent) -> Sequence[str], whatever of `closed_signals` sent it.
    closed: Callable[..., Sequence[str]]


cases: Registry[CaseKind] = Registry(CaseKind)
