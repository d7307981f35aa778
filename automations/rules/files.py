"""A rule as a file: what it does and what people read about it, as YAML with a fixed order.

A file holds what the database holds of a rule but its life: no versions, approvals or stops, and
no secrets, since documents name connectors and never what opens them. One file may hold many rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic import Field as Key

from automations.conditions.problems import Problem
from automations.rules.parsing import measure, problems_in
from automations.rules.yaml_text import Part, YamlInvalid, read_yaml, write_yaml

HEAD = "# A rule of Countersign. Importing it makes a draft: nothing acts before it is approved.\n"
# Of a file, in bytes, and of rules in it.
LARGEST = 512 * 1024
MOST_RULES = 500

# The order of keys in a file; those that are not here follow by name.
_KEYS = """
schema trigger on every manual for zone calendar params when uid field not all any some none count
sum of op value where start_only steps do wait end_run_on if for_each ask with then else role
question due on_timeout type label range one_of amount currency limits runs money units messages
per_subject per_customer per_hour per_day within missing_data connector_down latency
"""
ORDER = {name: at for at, name in enumerate(_KEYS.split())}
# How people read what a file says beside the document.
LABELS = {
    "name": "Name",
    "purpose": "What it is for",
    "domain": "Domain",
    "fallback": "If it can’t run",
    "owner": "Owner",
    "review_on": "Review by",
    "position": "Position",
    "expected_per_day_min": "Expected a day, at least",
    "expected_per_day_max": "Expected a day, at most",
    "minutes_saved": "Minutes saved a run",
}
# What a file says of a rule in the form that the model has it.
SAID = ("name", "purpose", "domain", "fallback", "position")
SAID_OF_RUNS = ("expected_per_day_min", "expected_per_day_max")


def _day(raw: str) -> str:
    try:
        date.fromisoformat(raw)
    except ValueError:
        raise ValueError("A day is written like 2027-01-31.") from None
    return raw


def _minutes(raw: str | int) -> str | int:
    try:
        minutes = Decimal(raw)
    except InvalidOperation:
        raise ValueError("Minutes are a number, like 2.5.") from None
    if not minutes.is_finite() or not 0 <= minutes < 10_000 or round(minutes, 2) != minutes:
        raise ValueError("Minutes are a number up to 9,999, with at most two decimals.")
    return raw


def _said(raw: str) -> str:
    if not raw.strip():
        raise ValueError("Write something here.")
    return raw


Text = Annotated[str, Key(max_length=10_000)]
PerDay = Annotated[int, Key(ge=0, le=1_000_000_000)]


class RuleFile(BaseModel):
    """One rule of a file. What is left out stays as it is; a new rule gets the usual.

    `owner` is a user name; `rule` is a document as `parsing` reads it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    key: Annotated[str, Key(pattern=r"^[a-z0-9_-]{1,80}$")]
    name: Annotated[str, Key(max_length=120), AfterValidator(_said)]
    purpose: Text | None = None
    domain: Literal["orders", "inventory", "finance", "support"]
    owner: Annotated[str, Key(min_length=1, max_length=150)] | None = None
    fallback: Text | None = None
    review_on: Annotated[str, AfterValidator(_day)] | None = None
    position: Annotated[int, Key(ge=-32_768, le=32_767)] | None = None
    expected_per_day_min: PerDay | None = None
    expected_per_day_max: PerDay | None = None
    minutes_saved: Annotated[str | int, AfterValidator(_minutes)] | None = None
    # What it was in the sandbox it comes from. It is told, and counts for nothing.
    sandbox: Annotated[str, Key(pattern=r"^(draft|version [1-9][0-9]{0,6})$")] | None = None
    rule: dict[str, Any]

    @property
    def origin(self) -> str:
        """Where it says that it comes from, in words; empty where it says nothing."""
        return origin_words(self.sandbox) if self.sandbox is not None else ""

    @property
    def described(self) -> dict[str, Any]:
        """What it says of the rule beside its document, owner and key, as the model has it."""
        said = {name: getattr(self, name) for name in (*SAID, *SAID_OF_RUNS)}
        if self.review_on is not None:
            said["review_on"] = date.fromisoformat(self.review_on)
        if self.minutes_saved is not None:
            said["minutes_saved"] = Decimal(self.minutes_saved)
        return {name: value for name, value in said.items() if value is not None}


def origin_words(sandbox: str) -> str:
    """What a file says of the sandbox it comes from, as a sentence in the history."""
    return f"From a sandbox, where it was {'a draft' if sandbox == 'draft' else sandbox}"


@dataclass(frozen=True, slots=True)
class Located:
    """A problem with the line of the file where it stands."""

    line: int
    problem: Problem


@dataclass(frozen=True, slots=True)
class ReadRule:
    """One rule of a text. `file` None: it can't be read, `problems` say why."""

    part: Part
    file: RuleFile | None
    problems: list[Located] = field(default_factory=list)

    def located(self, problem: Problem) -> Located:
        """A problem of the rule's own document, or of its owner or fallback, in the file."""
        outside = problem.path in ("owner", "fallback", "review_on", "key")
        path = problem.path if outside or not problem.path else f"rule.{problem.path}"
        return Located(
            self.part.line_of(path or "rule"), Problem(path, problem.message, problem.blocks)
        )


def read_rules(text: str) -> list[ReadRule]:
    """Every rule of a text, each with what is wrong with it; raises YamlInvalid for the whole."""
    if len(text) > LARGEST or len(text.encode(errors="replace")) > LARGEST:
        raise YamlInvalid(1, f"A file has at most {LARGEST // 1024} kB. Split it.")
    found: list[ReadRule] = []
    keys: dict[str, int] = {}
    for part in read_yaml(text):
        if len(found) == MOST_RULES:
            raise YamlInvalid(part.line, f"A file has at most {MOST_RULES} rules. Split it.")
        found.append(_read(part, keys))
    if not found:
        raise YamlInvalid(1, "There is no rule in this file.")
    return found


def read_part(part: Part) -> ReadRule:
    """One rule by itself, with what is wrong with it."""
    return _read(part, {})


def _read(part: Part, keys: dict[str, int]) -> ReadRule:
    if not isinstance(part.value, dict):
        return _unread(part, [Problem("", "A rule is an object, with key, name, domain and rule.")])
    if problems := measure(part.value):
        return _unread(part, problems)
    try:
        file = RuleFile.model_validate(_with_amounts(part.value))
    except ValidationError as error:
        return _unread(part, problems_in(error, ""))
    first = keys.setdefault(file.key, part.line)
    if first != part.line:
        said = f"Another rule of this file has this key, in line {first}."
        return _unread(part, [Problem("key", said)])
    return ReadRule(part, file)


def _unread(part: Part, problems: Iterable[Problem]) -> ReadRule:
    return ReadRule(part, None, [Located(part.line_of(each.path), each) for each in problems])


def _with_amounts(value: Any) -> Any:
    """Amounts that were written without quotes, as the text that a document has for them."""
    if isinstance(value, list):
        return [_with_amounts(part) for part in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"amount", "currency"} and type(value["amount"]) is int:
        return {**value, "amount": str(value["amount"])}
    return {key: _with_amounts(part) for key, part in value.items()}


def ordered(value: Any) -> Any:
    """A document's JSON with its keys in the order of files, whatever order they came in."""
    if isinstance(value, list):
        return [ordered(part) for part in value]
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (ORDER.get(name, len(ORDER)), name))
        return {name: ordered(value[name]) for name in names}
    return value


def write_rule(described: Mapping[str, Any], body: Any) -> str:
    """One rule as a file: `described` as RuleFile has it, without `rule`; what is None is left out.

    The same rule always gives the same text.
    """
    top = {
        name: described[name]
        for name in RuleFile.model_fields
        if name != "rule" and described.get(name) not in (None, "")
    }
    return HEAD + write_yaml({**top, "rule": ordered(body)})


def joined_files(files: Iterable[str]) -> str:
    """Several rules as one text."""
    return "---\n".join(files)
