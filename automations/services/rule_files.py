"""Rules out of the company as files, and back into it: always as drafts nobody has approved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings
from django.db import IntegrityError, transaction

from automations.conditions.problems import Problem
from automations.models.documents import Activation
from automations.models.rules import Draft, Rule
from automations.queries.rules import owners
from automations.rules.canonical import as_json, canonical
from automations.rules.changes import Change, titled
from automations.rules.differences import difference
from automations.rules.document import RuleDocument
from automations.rules.files import LABELS, Located, ReadRule, RuleFile, read_rules, write_rule
from automations.rules.parsing import DocumentInvalid, parse_document, read_document
from automations.services import doors, drafts, rules
from automations.services.errors import NotPossible, Stale
from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User

Which = Literal["active", "all"]
State = Literal["new", "changed", "unchanged", "broken"]
# Left out of a file where there are none.
EMPTY = ("params", "limits")
# What a new rule is made with, beside its name and domain; the rest it is told afterwards.
CREATED = ("purpose", "fallback", "review_on")


# --- out ----------------------------------------------------------------------------------------


def export_rule(rule: Rule, *, draft: bool = False) -> str:
    """A rule as a file: the version in force, or its draft where none is or `draft` asks for it."""
    return export_rules([rule], draft=draft)[0][1]


def export_rules(chosen: Sequence[Rule], *, draft: bool = False) -> list[tuple[Rule, str]]:
    """Each of these rules with its file, in their order, in a handful of queries."""
    ids = [rule.pk for rule in chosen]
    live = Activation.objects.in_force().filter(rule__in=ids).select_related("document")
    in_force = {each.rule_id: each.document for each in live}
    saved = dict(Draft.objects.filter(rule__in=ids).values_list("rule_id", "body"))
    names = dict(
        User.objects.filter(pk__in={rule.owner_id for rule in chosen}).values_list("pk", "username")
    )
    found = []
    for rule in chosen:
        acting = None if draft else in_force.get(rule.pk)
        body = _settled(json.loads(acting.text) if acting is not None else saved[rule.pk])
        described = _described(rule, names.get(rule.owner_id or 0))
        if settings.SANDBOX:
            described["sandbox"] = f"version {acting.version}" if acting is not None else "draft"
        found.append((rule, write_rule(described, body)))
    return found


def rules_of(which: Which) -> list[Rule]:
    """The rules an export of many holds, by key: those in force, or all that are not retired."""
    rows = Rule.objects.filter(retired_at=None)
    if which == "active":
        rows = rows.filter(pk__in=Activation.objects.in_force().values("rule_id"))
    return list(rows.order_by("slug"))


def _settled(body: Any) -> Any:
    """A body as its document is signed, less what is empty; as it is where it is no document yet.

    So documents of one hash have one text, whether they come from a draft or are in force.
    """
    try:
        written = json.loads(canonical(parse_document(body)))
    except DocumentInvalid:
        return body
    return {name: part for name, part in written.items() if part or name not in EMPTY}


def _described(rule: Rule, owner: str | None) -> dict[str, Any]:
    return {
        "key": rule.slug,
        "name": rule.name,
        "purpose": rule.purpose,
        "domain": rule.domain,
        "owner": owner,
        "fallback": rule.fallback,
        "review_on": rule.review_on.isoformat() if rule.review_on else None,
        "position": rule.position if rule.position != Rule().position else None,
        "expected_per_day_min": rule.expected_per_day_min,
        "expected_per_day_max": rule.expected_per_day_max,
        "minutes_saved": _plain(rule.minutes_saved),
    }


def _plain(minutes: Any) -> str | None:
    return f"{minutes:f}".rstrip("0").rstrip(".") if minutes else None


# --- what a file would do -----------------------------------------------------------------------


@dataclass(slots=True)
class Planned:
    """What importing one rule of a file would do.

    `rule` None: it is new. `changes` are in the draft, `described` beside it, in words. `stranger`
    is a name in the file that owns no rule here: an owner has to be chosen. `others` is whose rule
    it is, where that is not who imports; empty: their own, or nobody's.
    """

    read: ReadRule
    rule: Rule | None = None
    draft: Draft | None = None
    owner: User | None = None
    changes: list[Change] = field(default_factory=list)
    described: list[Change] = field(default_factory=list)
    problems: list[Located] = field(default_factory=list)
    stranger: str = ""
    others: str = ""

    @property
    def file(self) -> RuleFile | None:
        return self.read.file

    @property
    def name(self) -> str:
        """What to call it, even where it can't be read."""
        return self.file.name if self.file else f"The rule in line {self.read.part.line}"

    @property
    def blocking(self) -> list[Located]:
        return [each for each in self.problems if each.problem.blocks]

    @property
    def state(self) -> State:
        if self.blocking:
            return "broken"
        if self.rule is None:
            return "new"
        return "changed" if self.changes or self.described else "unchanged"


@dataclass(frozen=True, slots=True)
class Plan:
    """What importing a text would do; `seen` is a digest of the rules and drafts it was made on."""

    rules: list[Planned]
    sha256: str
    seen: str

    @property
    def ready(self) -> bool:
        return not any(each.blocking for each in self.rules)

    @property
    def strangers(self) -> list[str]:
        """Names of owners in the file whom nobody here goes by."""
        return sorted({each.stranger for each in self.rules if each.stranger})

    @property
    def of_others(self) -> list[Planned]:
        """Rules of other people that would change."""
        return [each for each in self.rules if each.others and each.state == "changed"]

    def count(self, state: State) -> int:
        return sum(each.state == state for each in self.rules)


def plan(text: str, *, importer: User | None, owner: User | None = None) -> Plan:
    """Hold a text against the rules there are; changes nothing.

    `importer` None: somebody only looks. `owner` owns the rules whose file names somebody unknown.
    Raises YamlInvalid for a text of which nothing can be read.
    """
    made = planned(read_rules(text), importer=importer, owner=owner)
    known = [each.draft for each in made if each.draft]
    seen = [(draft.rule.slug, draft.revision, draft.rule.version) for draft in known]
    digest = hashlib.sha256(json.dumps(sorted(seen)).encode()).hexdigest()
    return Plan(made, hashlib.sha256(text.encode()).hexdigest(), digest)


def planned(
    found: Sequence[ReadRule], *, importer: User | None, owner: User | None = None
) -> list[Planned]:
    """What importing each of these would do, in their order; `plan` says whose is whose."""
    keys = [each.file.key for each in found if each.file]
    drafts_by_key = {
        draft.rule.slug: draft
        for draft in Draft.objects.filter(rule__slug__in=keys).select_related("rule__owner")
    }
    people = {user.username: user for user in owners()}
    return [
        _planned(each, drafts_by_key.get(each.file.key), people, importer, owner)
        if each.file
        else Planned(each, problems=list(each.problems))
        for each in found
    ]


def _planned(
    read: ReadRule,
    draft: Draft | None,
    people: dict[str, User],
    importer: User | None,
    stand_in: User | None,
) -> Planned:
    assert read.file is not None  # noqa: S101 (only what could be read comes here)
    made = Planned(read, draft.rule if draft else None, draft)
    made.owner, made.stranger = _owner(made, people, importer, stand_in)
    mine = importer.pk if importer is not None else None
    if made.rule is not None and made.rule.owner_id not in (None, mine):
        made.others = str(made.rule.owner)
    made.problems = [read.located(each) for each in _problems(made)]
    if not made.blocking:
        _compare(made)
    return made


def _owner(
    made: Planned, people: dict[str, User], importer: User | None, stand_in: User | None
) -> tuple[User | None, str]:
    """Who would own the rule, and the name in the file that nobody here goes by."""
    assert made.file is not None  # noqa: S101 (only what could be read comes here)
    named = made.file.owner
    if named is not None and named in people:
        return people[named], ""
    if named is not None:
        return stand_in, named
    return (made.rule.owner if made.rule else importer), ""


def _problems(made: Planned) -> Iterable[Problem]:
    file, rule = made.file, made.rule
    assert file is not None  # noqa: S101 (only what could be read comes here)
    if rule is None and file.key in rules.RESERVED:
        yield Problem("key", f"A page stands at “{file.key}”. Give the rule another key.")
    if rule is not None and rule.retired_at is not None:
        yield Problem("key", "This rule is retired. Give it another key to make a new one of it.")
    if made.stranger and made.owner is None:
        said = f"Nobody called “{made.stranger}” may own rules here. Choose an owner."
        yield Problem("owner", said)
    as_it_would_be = Rule(owner=made.owner, fallback=_fallback(made))
    for problem in rules.problems_of(as_it_would_be, file.rule):
        if not (problem.path == "owner" and made.stranger):
            yield problem


def _fallback(made: Planned) -> str:
    assert made.file is not None  # noqa: S101 (only what could be read comes here)
    if made.file.fallback is not None:
        return made.file.fallback
    return made.rule.fallback if made.rule else ""


def _compare(made: Planned) -> None:
    """Say what would change, in words."""
    file = made.file
    assert file is not None  # noqa: S101 (only what could be read comes here)
    after = parse_document(file.rule)
    if made.rule is None or made.draft is None:
        made.changes = difference(None, after)
        return
    made.changes = changes_between(_document(made.draft.body), after)
    made.described = list(_described_changes(made.rule, file, made.owner))


def changes_between(before: RuleDocument | None, after: RuleDocument) -> list[Change]:
    """What is different, in words; never nothing while the contents differ."""
    if before is not None and canonical(before) == canonical(after):
        return []
    said = "What it does is the same; how it is written down differs."
    return difference(before, after) or [Change("changed", "", "The document", said)]


def _document(body: Any) -> RuleDocument | None:
    try:
        return parse_document(body)
    except DocumentInvalid:
        return None


def _described_changes(rule: Rule, file: RuleFile, owner: User | None) -> Iterable[Change]:
    for name, value in file.described.items():
        if (before := getattr(rule, name)) != value:
            yield titled(name, LABELS[name], _said(before), _said(value))
    if file.owner is not None and owner is not None and owner.pk != rule.owner_id:
        yield titled("owner", LABELS["owner"], str(rule.owner or "Nobody"), str(owner))


def _said(value: Any) -> str:
    return "" if value is None else str(value)


def compared(made: Planned) -> tuple[bool, list[Change]]:
    """How a file differs from what is in force (True), or from the draft where nothing is.

    For who keeps rules in Git; an import is told by `Planned.changes`, always from the draft.
    """
    assert made.file is not None  # noqa: S101 (the caller has told what can't be read)
    assert made.rule is not None  # noqa: S101 (there is nothing to compare a new one with)
    assert made.draft is not None  # noqa: S101 (every rule has one)
    live = Activation.objects.in_force().filter(rule=made.rule).select_related("document").first()
    before = read_document(live.document.text) if live else _document(made.draft.body)
    said = changes_between(before, parse_document(made.file.rule))
    said += _described_changes(made.rule, made.file, made.owner)
    return live is not None, said


# --- in -----------------------------------------------------------------------------------------


def carry_out(
    text: str,
    *,
    importer: User,
    actor: Actor,
    seen: str | None = None,
    owner: User | None = None,
    others: bool = False,
) -> Plan:
    """Import a text: new rules as drafts, known ones into their drafts; all of it or nothing.

    `seen` is the digest of the plan that was looked at. `others` agrees that rules of other people
    change. Raises YamlInvalid, Stale, and NotPossible while anything stands against it.
    """
    doors.person_id(actor)
    try:
        with transaction.atomic():
            return _carried_out(text, importer, actor, seen, owner, others)
    except IntegrityError as error:
        raise Stale("Someone made a rule with one of these keys meanwhile. Look again.") from error


def _carried_out(
    text: str, importer: User, actor: Actor, seen: str | None, owner: User | None, others: bool
) -> Plan:
    list(Draft.objects.select_for_update(no_key=True).filter(rule__in=_known(text)).order_by("pk"))
    made = plan(text, importer=importer, owner=owner)
    if seen is not None and seen != made.seen:
        raise Stale("Someone changed one of these rules meanwhile. Look at it again.")
    if not made.ready:
        first = next(each for each in made.rules if each.blocking)
        raise NotPossible(f"{first.name}: {first.blocking[0].problem.message}")
    if made.of_others and not others:
        names = ", ".join(f"“{each.name}” ({each.others})" for each in made.of_others)
        raise NotPossible(f"These rules are other people’s: {names}. Say that they may change.")
    for each in made.rules:
        if each.state in ("new", "changed"):
            write(each, made.sha256, actor)
    return made


def _known(text: str) -> Collection[int]:
    keys = [each.file.key for each in read_rules(text) if each.file]
    return list(Rule.objects.filter(slug__in=keys).values_list("pk", flat=True))


def write(made: Planned, sha256: str, actor: Actor) -> None:
    """Make or change the draft of one rule that is new or changed; `sha256` is of the file."""
    file = made.file
    assert file is not None  # noqa: S101 (a plan that is ready has read all)
    body, fresh = as_json(parse_document(file.rule)), file.described
    if made.rule is None:
        made.rule = rules.create_rule(
            name=fresh.pop("name"),
            domain=fresh.pop("domain"),
            body=body,
            actor=actor,
            owner=made.owner,
            slug=file.key,
            note=file.origin,
            **{name: fresh.pop(name) for name in CREATED if name in fresh},
        )
    else:
        assert made.draft is not None  # noqa: S101 (every rule has one)
        differs = {change.path for change in made.described}
        fresh = {name: value for name, value in fresh.items() if name in differs}
        if made.changes:
            drafts.save_draft(
                made.rule.pk,
                body=body,
                revision=made.draft.revision,
                actor=actor,
                note=file.origin or "Imported from a file",
            )
        if "owner" in differs and made.owner is not None:
            fresh["owner_id"] = made.owner.pk
    if fresh:
        rules.describe_rule(made.rule.pk, version=made.rule.version, actor=actor, **fresh)
    told = {"file": sha256, **({"sandbox": file.sandbox} if file.sandbox else {})}
    audit.record("rules.imported", "automations.rule", made.rule.pk, actor=actor, **told)
