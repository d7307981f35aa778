"""Kinds of case that a domain raises for people, through the same door as failed runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Decided:
    """A case that a person closed in its domain: its key, what they decided, and who."""

    key: str
    says: str
    user_id: int


class CaseKind:
    """A kind of case, raised when the domain sends `signal`.

    It closes by itself when one of `closed_signals` says that what it tells of is over; `closed`
    names the keys of such cases, or what a person decided of each; `closed_says` is what a
    case says that nobody decided.

    `blocks`: what is known of the subject can't be relied on, so that no rule spends money or
    reaches a customer over it while such a case is open. `decided_at` says where a person decides
    what a case of this kind asks; the case itself can then be closed by nothing else.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    subject: ClassVar[str]
    signal: ClassVar[Signal]
    closed_signals: ClassVar[Sequence[Signal]] = ()
    closed_says: ClassVar[str] = "It is no longer so."
    blocks: ClassVar[bool] = False
    decided_at: ClassVar[str] = ""

    # Takes what the signal sends: cases(**sent) -> Sequence[NewCase].
    cases: Callable[..., Sequence[NewCase]]
    # closed(**sent) -> Sequence[str | Decided], whatever of `closed_signals` sent it.
    closed: Callable[..., Sequence[str | Decided]]


cases: Registry[CaseKind] = Registry(CaseKind)


class Tie:
    """Records that stand and fall with another: what blocks an order blocks its returns."""

    key: ClassVar[str]
    subject: ClassVar[str]
    to: ClassVar[str]

    def of(self, ids: Iterable[int]) -> Mapping[int, int]:
        """The record that each of these hangs on, in one query; one without any is left out."""
        raise NotImplementedError


ties: Registry[Tie] = Registry(Tie)
