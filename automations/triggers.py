"""What rules start on: facts a domain announces, and records that schedules and buttons go to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, NewType

from django.db.models import QuerySet
from django.dispatch import Signal

from automations.registry import Registry
from backoffice.actors import Actor

# ISO 3166-1 alpha-2; an empty string is an unknown country, which conditions treat as missing.
Country = NewType("Country", str)
# A set of short codes, kept sorted.
Tags = NewType("Tags", tuple[str, ...])


def labelled(
    label: str,
    *,
    choices: Sequence[tuple[str, str]] = (),
    about: str = "",
    lasting: bool = False,
) -> Any:
    """A payload field with the words the builder shows for it.

    `choices` lists the stored value and the words of each; `about` says in one sentence what the
    figure means where the label can't. `lasting`: a record keeps it for life, or nearly always, so
    that rules which ask for two values of it are known to be about different records.
    """
    told = {"label": label, "choices": tuple(choices), "about": about, "lasting": lasting}
    return field(metadata=told)


@dataclass(frozen=True, slots=True)
class Fact:
    """One announced fact about one subject.

    `payload` is an instance of the trigger's payload class; `history` marks an imported or
    back-filled fact, which feeds previews and matches no rule; `actor` None means unknown.
    """

    subject_id: int
    subject_version: int
    payload: Any
    occurred_at: datetime
    actor: Actor | None = None
    history: bool = False


class Source:
    """What an event tells of its subject, and how to tell it again from now's rows.

    `payload_class` is a dataclass; its typed fields are what conditions see: str, int,
    bool, Decimal, Money, date, datetime, time, timedelta, Country, Tags, nested dataclasses
    and tuples of them (lists). A field `previous_state` beside `state` is what it was before.
    Within a `version` fields are only added; `upcasters` bring stored facts and lists from a
    version to the next, as pure functions. `customer` is the path of the text that tells one
    customer from another, empty where the payload has none: limits per customer count by it.
    """

    key: ClassVar[str]
    label: ClassVar[str]
    example: ClassVar[str]
    subject: ClassVar[str]
    payload_class: ClassVar[type]
    customer: ClassVar[str] = ""
    fixed: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Callable[[dict[str, Any], dict[str, Any]], Any]]] = {}

    # current(ids) -> the same payload by id, from now's rows; a record that is gone is left out.
    current: Callable[[Iterable[int]], Mapping[int, Any]]


class Trigger(Source):
    """A kind of fact that rules can start on."""

    signal: ClassVar[Signal]

    # Takes the shape the signal gives it, so subclasses declare their own parameters:
    # facts(**sent) -> Sequence[Fact].
    facts: Callable[..., Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class Report:
    """What a system outside said, read by the mapping of its source.

    `told` is an instance of the feed's report class; `occurred_at` is when it happened there, or
    when it arrived where the report does not say.
    """

    delivery_id: int
    told: Any
    occurred_at: datetime
    actor: Actor


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a report starts nothing. `cause` groups like ones; `wait`: it may fit later."""

    says: str
    cause: str
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A report that changed nothing: it was told before, or something newer was. No event."""

    says: str


class Feed(Trigger):
    """A trigger that is fed by systems outside: webhooks, read by a mapping that people wrote.

    `report_class` is a frozen dataclass, flat but for tuples of flat ones; a mapping fills its
    fields, the engine `source` and `topic`. `reference` names the field that tells records apart,
    `occurred` the one that says when it happened. `newest_only`: a report that is older than one of
    the same record and topic that was taken before starts nothing. `writes`: it writes what it is
    told, in `answers`, and so has a transaction without other such feeds.
    """

    # Nothing sends it: the engine hands the reports over itself.
    signal = Signal()
    report_class: ClassVar[type]
    reference: ClassVar[str] = "reference"
    occurred: ClassVar[str] = "happened_at"
    newest_only: ClassVar[bool] = False
    writes: ClassVar[bool] = False

    # answers(reports) -> one each, in their order: the fact it is, or why it is none.
    answers: Callable[[Sequence[Report]], Sequence[Fact | Unfit | Known]]


class Scan(Source):
    """A kind of record that schedules go over and buttons stand on. Its key is its subject.

    `rows()` are all records, of the subject's model; `columns` says where the ORM finds a payload
    path, so that conditions on it thin out the rows in PostgreSQL: a lookup, and for money those of
    the amount and the currency. What has no column is judged in Python.
    """

    rows: Callable[[], QuerySet[Any]]
    columns: ClassVar[Mapping[str, str | tuple[str, str]]] = {}


triggers: Registry[Trigger] = Registry(Trigger)
scans: Registry[Scan] = Registry(Scan)


def source(key: str) -> Source | None:
    """The trigger or scan of this key; None when no app offers it any more."""
    return triggers.get(key) or scans.get(key)


def feeds() -> list[Feed]:
    """The triggers that systems outside can feed, by key."""
    return [known for known in triggers if isinstance(known, Feed)]
