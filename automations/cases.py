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
    """A kind of case, raised when the domain sends `signal`."""

    key: ClassVar[str]
    label: ClassVar[str]
    subject: ClassVar[str]
    signal: ClassVar[Signal]

    # Takes what the signal sends: cases(**sent) -> Sequence[NewCase].
    cases: Callable[..., Sequence[NewCase]]


cases: Registry[CaseKind] = Registry(CaseKind)
