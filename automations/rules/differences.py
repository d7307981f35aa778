"""The difference between two versions of a rule, as the sentences an approver reads.

Steps are matched by uid. Conditions are matched by uid, then by content, then by what they are
about; their order within a group says nothing and is no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from automations.conditions.operands import Scope
from automations.conditions.problems import joined
from automations.rules.canonical import canonical
from automations.rules.changes import Change, added, changed, moved, removed, titled, within
from automations.rules.condition_changes import compare_conditions, first_conditions
from automations.rules.document import Do, If, Param, RuleDocument, bodies
from automations.rules.parsing import read_document
from automations.rules.validating import Registries
from automations.rules.words import (
    CONNECTOR,
    LATENCY,
    MISSING,
    Teller,
    limit_words,
    parameter_words,
    policies_words,
)
from backoffice.money import Money


@dataclass(frozen=True, slots=True)
class _Placed:
    """A step where it stands: `body` names the list it is in, by the uid of its owner.

    `scope` is what it sees.
    """

    step: Any
    path: str
    body: str
    scope: Scope


def _placed(
    steps: Sequence[Any], teller: Teller, scope: Scope, path: str = "steps", body: str = ""
) -> Iterator[_Placed]:
    for index, step in enumerate(steps):
        at = joined(path, index)
        yield _Placed(step, at, body, scope)
        for name, inner in bodies(step):
            inside = teller.inside(scope, step)
            yield from _placed(inner, teller, inside, joined(at, name), f"{step.uid}:{name}")


def _all_placed(teller: Teller) -> dict[str, _Placed]:
    found = _placed(teller.document.steps, teller, teller.scope)
    return {known.step.uid: known for known in found}


def _longest(runs: list[list[str]]) -> list[str]:
    return sorted(runs, key=lambda run: -len(run))[0] if runs else []


def _kept_in_order(before: list[str], after: list[str]) -> set[str]:
    """The longest part of the common uids that keeps its order."""
    common = [uid for uid in after if uid in before]
    best: list[list[str]] = []
    for index, uid in enumerate(common):
        runs = [best[at] for at in range(index) if before.index(common[at]) < before.index(uid)]
        best.append([*_longest(runs), uid])
    return set(_longest(best))


_WITHIN = {"then": " of a branch’s yes", "else": " of a branch’s no", "steps": " of a loop"}


@dataclass(frozen=True, slots=True)
class _Versions:
    """Both documents with their words."""

    before: Teller
    after: Teller

    def steps(self) -> Iterator[Change]:
        old, new = _all_placed(self.before), _all_placed(self.after)
        for uid, known in old.items():
            owner = known.body.partition(":")[0]
            if uid not in new and (not owner or owner in new):
                words = self.before.plan([known.step], known.scope)
                texts = self.before.texts(known.step, known.scope)
                yield replace(removed(known.path, "Step", words), texts=texts)
        for uid, known in new.items():
            owner = known.body.partition(":")[0]
            if uid in old:
                yield from self._step(old[uid], known)
            elif not owner or owner in old:
                words = self.after.plan([known.step], known.scope)
                found = added(known.path, "Step", f"{words}{self._inside(known)}")
                yield replace(found, texts=self.after.texts(known.step, known.scope))
        yield from self._moves(old, new)

    def _moves(self, old: dict[str, _Placed], new: dict[str, _Placed]) -> Iterator[Change]:
        orders: dict[str, tuple[list[str], list[str]]] = {}
        for at, places in enumerate((old, new)):
            for uid, known in places.items():
                if uid in old and uid in new and old[uid].body == new[uid].body:
                    orders.setdefault(known.body, ([], []))[at].append(uid)
        kept: set[str] = set()
        for before, after in orders.values():
            kept |= _kept_in_order(before, after)
        for uid, known in new.items():
            if uid in old and uid not in kept:
                words = self.after.step(known.step, known.scope)
                yield moved(known.path, "Step", words, self._place(known))

    def _place(self, known: _Placed) -> str:
        position = int(known.path.rsplit(".", 1)[1]) + 1
        owner, _, name = known.body.partition(":")
        return f"now step {position}{_WITHIN[name] if owner else ''}"

    def _inside(self, known: _Placed) -> str:
        """Where a new step stands, if not among the outermost."""
        owner, _, name = known.body.partition(":")
        return f",{_WITHIN[name].replace(' of', ' in', 1)}" if owner else ""

    def _step(self, old: _Placed, new: _Placed) -> Iterator[Change]:
        one, two = old.step, new.step
        if isinstance(one, Do) and isinstance(two, Do) and one.do == two.do:
            yield from self._parameters(old, new)
        elif isinstance(one, If) and isinstance(two, If):
            at = joined(new.path, "if")
            for found in compare_conditions(one.test, two.test, old.scope, new.scope, at):
                yield within(found, "In a branch")
        elif (words := self.before.step(one, old.scope)) != (
            now := self.after.step(two, new.scope)
        ):
            texts = self.after.own_texts(two, now, new.scope)
            yield replace(changed(new.path, "Step", words, now), texts=texts)

    def _parameters(self, before: _Placed, after: _Placed) -> Iterator[Change]:
        one, two = before.step, after.step
        action = self.after.registries.actions.get(two.do)
        fields = action.form.base_fields if action is not None else {}
        label = action.label if action is not None else two.do
        for name in sorted(set(one.params) | set(two.params)):
            old, new = one.params.get(name), two.params.get(name)
            if old == new:
                continue
            field = fields.get(name)
            title = f"{label}: {str(field.label or name).lower() if field else name}"
            at = joined(after.path, "with", name)
            was = "" if old is None else parameter_words(old, field, before.scope)
            now = "" if new is None else parameter_words(new, field, after.scope)
            yield titled(at, title, was, now)

    def start(self) -> Iterator[Change]:
        if self.before.document.trigger != self.after.document.trigger:
            yield changed("trigger", "What starts it", self.before.start(), self.after.start())

    def limits(self) -> Iterator[Change]:
        old, new = self.before.document.limits, self.after.document.limits
        for name in type(new).model_fields:
            one, two = getattr(old, name), getattr(new, name)
            if one != two:
                before = ", ".join(limit_words(name, one)) if one is not None else ""
                after = ", ".join(limit_words(name, two)) if two is not None else ""
                yield titled(joined("limits", name), "Limit", before, after)

    def policies(self) -> Iterator[Change]:
        words = {"missing_data": MISSING, "connector_down": CONNECTOR, "latency": LATENCY}
        titles = {
            "missing_data": "When a value is missing",
            "connector_down": "When a connector is down",
            "latency": "How fast it acts",
        }
        for name, said in words.items():
            one = getattr(self.before.document, name)
            two = getattr(self.after.document, name)
            if one != two:
                yield changed(name, titles[name], said[one], said[two])

    def params(self) -> Iterator[Change]:
        old, new = self.before.document.params, self.after.document.params
        for name in {**new, **old}:
            one, two = old.get(name), new.get(name)
            path, label = joined("params", name), {**old, **new}[name].label
            if one is None or two is None or one.type != two.type:
                yield titled(path, f"Tunable “{label}”", _param(one), _param(two))
                continue
            if one.value != two.value:
                yield titled(joined(path, "value"), label, _value(one.value), _value(two.value))
            if (before := _range(one)) != (after := _range(two)):
                yield titled(joined(path, "range"), f"{label}: owner may choose", before, after)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return str(Money.from_json(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(_value(part) for part in value) if isinstance(value, list) else str(value)


def _range(param: Param) -> str:
    if param.one_of is not None:
        return _value(param.one_of)
    if param.range is not None:
        return f"{_value(param.range[0])} to {_value(param.range[1])}"
    return ""


def _param(param: Param | None) -> str:
    if param is None:
        return ""
    return f"{_value(param.value)} ({_range(param)})" if _range(param) else _value(param.value)


def _first(teller: Teller) -> Iterator[Change]:
    document = teller.document
    yield titled("trigger", "What starts it", "", teller.start())
    yield from first_conditions(document.when, teller.scope, "when")
    for index, step in enumerate(document.steps):
        found = added(joined("steps", index), "Step", teller.plan([step]))
        yield replace(found, texts=teller.texts(step))
    for name, param in document.params.items():
        yield added(joined("params", name), f"Tunable “{param.label}”", _param(param))
    for name in type(document.limits).model_fields:
        if (limit := getattr(document.limits, name)) is not None:
            yield added(joined("limits", name), "Limit", ", ".join(limit_words(name, limit)))
    yield titled("missing_data", "When a value is missing", "", MISSING[document.missing_data])
    for words in policies_words(document):
        yield titled("connector_down", "In trouble", "", words)


def difference(
    old: RuleDocument | None, new: RuleDocument, registries: Registries | None = None
) -> list[Change]:
    """What is different in `new`, in reading order; with `old` None everything is new."""
    registries = registries or Registries()
    new = read_document(canonical(new))
    after = Teller(new, registries)
    if old is None:
        return list(_first(after))
    old = read_document(canonical(old))
    before = Teller(old, registries)
    versions = _Versions(before, after)
    return [
        *versions.start(),
        *compare_conditions(old.when, new.when, before.scope, after.scope, "when"),
        *versions.steps(),
        *versions.params(),
        *versions.limits(),
        *versions.policies(),
    ]
