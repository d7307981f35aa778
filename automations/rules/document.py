"""The rule document: the JSON that people draft, approve and run, its shape checked by pydantic.

`parsing` reads it and says what is wrong in words, `validating` holds it against the triggers and
actions there are. A step's `uid` stays with it across versions and is never reused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Tag
from pydantic import Field as Key

from automations.conditions.fields import Kind
from automations.conditions.problems import joined
from automations.conditions.tree import (
    AllOf,
    Condition,
    Leaf,
    Path,
    Uid,
    check_operand,
    children,
)
from automations.conditions.values import PARSE, parse_duration

_CRON_FIELD = r"(?:\*|\d{1,2}(?:-\d{1,2})?(?:,\d{1,2}(?:-\d{1,2})?)*)(?:/\d{1,2})?"
_CRON = re.compile(rf"{_CRON_FIELD}(?: {_CRON_FIELD}){{4}}", re.ASCII)


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


def _duration(raw: str) -> str:
    parse_duration(raw)
    return raw


def _cron(raw: str) -> str:
    if not _CRON.fullmatch(raw):
        raise ValueError("A schedule is five cron fields, like 0 7 * * 1-5.")
    return raw


def text_of(value: object) -> str | None:
    """The Liquid of a `{"text": …}` value, None for any other."""
    return value["text"] if isinstance(value, dict) and set(value) == {"text"} else None


def _parameter(value: Any) -> Any:
    if text_of(value) is not None:
        if type(value["text"]) is not str:
            raise ValueError("A text is needed.")
        return value
    if isinstance(value, list):
        return [check_operand(part) for part in value]
    return check_operand(value)


Duration = Annotated[str, AfterValidator(_duration)]
Parameter = Annotated[Any, AfterValidator(_parameter)]
Name = Annotated[str, Key(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Label = Annotated[str, Key(min_length=1, max_length=120)]
Some = Annotated[int, Key(ge=1, le=1_000_000_000)]


# --- what starts it -----------------------------------------------------------------------------


class On(Model):
    """A fact that a domain announces."""

    shape: ClassVar[str] = "on"
    on: Label


class Every(Model):
    """A schedule: a scan over the records of one subject, in a zone and a calendar."""

    shape: ClassVar[str] = "every"
    every: Annotated[str, AfterValidator(_cron)]
    zone: Label
    calendar: Label | None = None
    subject: Label = Key(alias="for")


class Manual(Model):
    """A person's button on a record of the subject."""

    shape: ClassVar[str] = "manual"
    manual: Label


def _tag_of(raw: object, shapes: tuple[str, ...]) -> str | None:
    if isinstance(raw, Model):
        return f"<{raw.shape}>" if hasattr(raw, "shape") else None
    found = [shape for shape in shapes if shape in raw] if isinstance(raw, dict) else []
    return f"<{found[0]}>" if len(found) == 1 else None


Start = Annotated[
    Annotated[On, Tag("<on>")]
    | Annotated[Every, Tag("<every>")]
    | Annotated[Manual, Tag("<manual>")],
    Discriminator(
        lambda raw: _tag_of(raw, ("on", "every", "manual")),
        custom_error_type="trigger",
        custom_error_message="A trigger has exactly one of on, every and manual.",
    ),
]


# --- what it does -------------------------------------------------------------------------------


class BaseStep(Model):
    shape: ClassVar[str]
    uid: Uid


class Do(BaseStep):
    """One action, with its parameters."""

    shape = "do"
    do: Label
    params: dict[str, Parameter] = Key(alias="with", default_factory=dict)


class Wait(BaseStep):
    """A pause; the named events end the run meanwhile."""

    shape = "wait"
    wait: Duration
    end_run_on: list[Label] = Key(default_factory=list)


class If(BaseStep):
    """A branch; unknown takes `else`."""

    shape = "if"
    test: Condition = Key(alias="if")
    then: list[Step] = Key(default_factory=list)
    otherwise: list[Step] = Key(alias="else", default_factory=list)


class ForEach(BaseStep):
    """Steps for each item of a list, which they read as `item.…`."""

    shape = "for_each"
    for_each: Path
    steps: list[Step]


class Question(Model):
    """What a person of the role is asked, and what happens without an answer."""

    role: Label
    question: Annotated[str, Key(min_length=1, max_length=500)]
    due: Duration
    on_timeout: Literal["fail", "end", "go_on"] = "fail"


class Ask(BaseStep):
    shape = "ask"
    ask: Question


Step = Annotated[
    Annotated[Do, Tag("<do>")]
    | Annotated[Wait, Tag("<wait>")]
    | Annotated[If, Tag("<if>")]
    | Annotated[ForEach, Tag("<for_each>")]
    | Annotated[Ask, Tag("<ask>")],
    Discriminator(
        lambda raw: _tag_of(raw, ("do", "wait", "if", "for_each", "ask")),
        custom_error_type="step",
        custom_error_message="A step has exactly one of do, wait, if, for_each and ask.",
    ),
]


# --- how far it may go --------------------------------------------------------------------------


class Counted(Model):
    per_hour: Some | None = None
    per_day: Some | None = None


def _amount(raw: Any) -> Any:
    if isinstance(raw, str):
        PARSE[Kind.MONEY](raw)
    if not isinstance(raw, dict) or set(raw) != {"amount", "currency"}:
        raise ValueError('Money is written {"amount": "12.50", "currency": "GBP"}.')
    if PARSE[Kind.MONEY](check_operand(raw)).amount <= 0:
        raise ValueError("A limit on money is more than nothing.")
    return raw


Amount = Annotated[Any, AfterValidator(_amount)]


class Spent(Model):
    per_hour: Amount = None
    per_day: Amount = None


class PerOne(Model):
    """At most so many runs for one subject or customer within a time."""

    runs: Some
    within: Duration


class Limits(Model):
    runs: Counted | None = None
    money: Spent | None = None
    units: Counted | None = None
    messages: Counted | None = None
    per_subject: PerOne | None = None
    per_customer: PerOne | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in type(self).model_fields)


class Param(Model):
    """A tunable: its value, and the range or choices inside which its owner may change it alone.

    Both None means that every change is a new version.
    """

    type: Literal[
        "text",
        "choice",
        "bool",
        "whole",
        "decimal",
        "money",
        "date",
        "time",
        "datetime",
        "duration",
        "country",
        "tags",
    ]
    label: Label
    value: Parameter
    range: Annotated[list[Parameter], Key(min_length=2, max_length=2)] | None = None
    one_of: list[Parameter] | None = None

    @property
    def kind(self) -> Kind:
        return Kind(self.type)


class RuleDocument(Model):
    """One version of a rule's logic. What people call it and who owns it stand beside it."""

    schema_version: Literal[1] = Key(alias="schema")
    trigger: Start
    when: Condition = Key(default_factory=lambda: AllOf.model_validate({"all": []}))
    steps: list[Step]
    params: dict[Name, Param] = Key(default_factory=dict)
    limits: Limits = Key(default_factory=Limits)
    missing_data: Literal["skip", "hold"] = "hold"
    connector_down: Literal["wait", "hold"] = "wait"
    latency: Literal["real_time", "batch"] = "real_time"

    @property
    def trigger_key(self) -> str | None:
        """The trigger this rule starts on; None for a schedule or a button."""
        return self.trigger.on if isinstance(self.trigger, On) else None

    @property
    def source_key(self) -> str:
        """The trigger, or the scan that a schedule or a button goes to."""
        start = self.trigger
        if isinstance(start, On):
            return start.on
        return start.subject if isinstance(start, Every) else start.manual

    @property
    def param_values(self) -> dict[str, Any]:
        """The declared value of each param, as JSON."""
        return {name: param.value for name, param in self.params.items()}


for _model in (If, ForEach, RuleDocument):
    _model.model_rebuild()


def bodies(step: Any) -> list[tuple[str, list[Any]]]:
    """The lists of steps inside a step, each with its key."""
    if isinstance(step, If):
        return [("then", step.then), ("else", step.otherwise)]
    if isinstance(step, ForEach):
        return [("steps", step.steps)]
    return []


def walk_steps(steps: list[Any], path: str = "steps") -> Iterator[tuple[str, Any]]:
    """Every step with its path, those inside branches and loops too, in reading order."""
    for index, step in enumerate(steps):
        at = joined(path, index)
        yield at, step
        for name, inner in bodies(step):
            yield from walk_steps(inner, joined(at, name))


def steps_by_uid(document: RuleDocument) -> dict[str, Any]:
    """Every step of a document by its uid."""
    return {step.uid: step for _, step in walk_steps(document.steps)}


def clauses(tree: Condition, path: str = "when") -> Iterator[tuple[str, Leaf]]:
    """Every clause and list condition of a tree with its path, in reading order."""
    if isinstance(tree, Leaf):
        yield path, tree
    for step, part in children(tree):
        yield from clauses(part, joined(path, step))
