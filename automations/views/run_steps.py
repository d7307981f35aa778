"""A run's way through its version: steps, branches and items, with what was tried at each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from automations.actions import actions
from automations.engine.compiled import Compiled
from automations.engine.flow import target_of
from automations.models.events import Event
from automations.models.runs import Effect, Run, StepRun, step_anchor
from automations.rules.document import Ask, Do, ForEach, If, Wait
from automations.simulation.again import item_words
from automations.triggers import triggers
from automations.views.trace import SIGNS, Attempt, known_links, rule_of
from backoffice import links, ui
from backoffice.models import User

# More items than this are shown when someone asks for them; what is wrong with one always is.
SHOWN_ITEMS = 20
UNDONE = StepRun.Outcome.UNDONE


@dataclass(slots=True)
class Node:
    """A step, or one item of a loop, with what is inside it.

    `note` says what it stands at or which way was taken; `hidden` is how many items of a loop are
    not among `inside`.
    """

    kind: str
    number: str
    cursor: str
    words: str
    attempts: list[Attempt] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    inside: list[Node] = field(default_factory=list)
    note: str = ""
    hidden: int = 0
    total: int = 0
    stands_here: bool = False

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def token(self) -> str:
        if self.last is not None:
            return self.last.token
        return "info" if self.kind in ("if", "for_each", "item") and self.reached else "wait"

    @property
    def sign(self) -> str:
        if self.last is not None:
            return self.last.sign
        return {"if": "arrows-split", "for_each": "repeat", "item": "point"}.get(self.kind, "clock")

    @property
    def result(self) -> str:
        if self.last is not None:
            says = self.last.row.says
            return "" if says.lower() == self.words.lower() else says
        return self.note if self.kind in ("if", "for_each", "item") else "not run"

    @property
    def reached(self) -> bool:
        return bool(self.attempts) or any(node.reached for node in self.inside)

    @property
    def tries(self) -> int:
        """Attempts at doing it; undoing it is none."""
        return sum(attempt.row.outcome != UNDONE for attempt in self.attempts)

    @property
    def told(self) -> bool:
        """Whether each attempt is worth a line of its own."""
        return len(self.attempts) > 1 or self.token == "bad" or bool(self.last and self.outside)  # noqa: S105 (a colour)

    @property
    def outside(self) -> bool:
        """Whether another system was asked."""
        return any(effect.lane for effect in self.effects)

    @property
    def anchor(self) -> str:
        """The id of its line on the page."""
        return step_anchor(self.cursor)


@dataclass(slots=True)
class Trace:
    """All steps, and how many of those that were reached are done."""

    nodes: list[Node]
    done: int
    steps: int
    tries: int


def trace_of(
    run: Run,
    rows: Sequence[StepRun],
    effects: Sequence[Effect],
    *,
    every: bool = False,
    event: Event | None = None,
    user: User | None = None,
) -> Trace:
    """A run's steps in the order of its version; `every` shows all items of long loops.

    `user` is who reads it; None: somebody who may open whatever it made.
    """
    made = _Maker(run, rows, effects, every=every, event=event, user=user)
    nodes = made.nodes()
    flat = [node for node in walk(nodes) if node.kind in ("do", "wait", "ask")]
    return Trace(
        nodes,
        sum(node.token == "ok" for node in flat),  # noqa: S105 (a colour)
        len(flat),
        sum(node.tries for node in flat),
    )


def walk(nodes: Sequence[Node]) -> Iterator[Node]:
    """Every node, those inside others after their own."""
    for node in nodes:
        yield node
        yield from walk(node.inside)


def _asked(attempts: Sequence[Attempt]) -> str:
    """A question as it was asked last, filled in; empty while it was not."""
    asked = (StepRun.Outcome.ASKED, StepRun.Outcome.WOULD)
    return next((a.row.says for a in reversed(attempts) if a.row.outcome in asked), "")


class _Maker:
    def __init__(
        self,
        run: Run,
        rows: Sequence[StepRun],
        effects: Sequence[Effect],
        *,
        every: bool,
        event: Event | None,
        user: User | None,
    ) -> None:
        self.run, self.every, self.event = run, every, event
        self.rule: Compiled | None = rule_of(run)
        people = User.objects.in_bulk([row.user_id for row in rows if row.user_id is not None])
        made = {(row.link, row.link_id) for row in rows if row.link_id is not None}
        pages, stands = known_links(made, user), links.standing(made)
        self.attempts: dict[str, list[Attempt]] = defaultdict(list)
        for row in rows:
            token, sign = SIGNS[StepRun.Outcome(row.outcome)]
            at, who = (row.link, row.link_id or 0), people.get(row.user_id or 0)
            attempt = Attempt(row, token, sign, pages.get(at), who, stands.get(at, ""))
            self.attempts[row.cursor].append(attempt)
        self.effects: dict[tuple[str, str], list[Effect]] = defaultdict(list)
        for effect in effects:
            self.effects[effect.uid.removeprefix("~"), effect.target].append(effect)
        self.cursors = {*self.attempts, *([run.cursor] if run.cursor else [])}

    def nodes(self) -> list[Node]:
        found = self._list(self.rule.document.steps, "", "") if self.rule is not None else []
        shown = {node.cursor for node in walk(found)}
        inside = tuple(node.cursor + "/" for node in walk(found) if node.kind == "for_each")
        lost = [
            at for at in self.attempts if at not in shown and not at.startswith(inside or ("\0",))
        ]
        return found + [self._lost(cursor, len(found) + 1) for cursor in lost]

    def _list(self, steps: Sequence[Any], prefix: str, number: str, first: int = 1) -> list[Node]:
        return [self._step(step, prefix, f"{number}{at}") for at, step in enumerate(steps, first)]

    def _step(self, step: Any, prefix: str, number: str) -> Node:
        cursor = prefix + step.uid
        node = Node(step.shape, number, cursor, self._words(step, cursor))
        if isinstance(step, If):
            self._branch(node, step)
        elif isinstance(step, ForEach):
            self._loop(node, step)
        else:
            node.attempts = self.attempts.get(cursor, [])
            node.effects = self.effects.get((step.uid, target_of(cursor)), [])
            self._stand(node, step)
        return node

    def _words(self, step: Any, cursor: str) -> str:
        assert self.rule is not None  # noqa: S101 (nodes)
        given = next((a.given for a in reversed(self.attempts.get(cursor, [])) if a.given), None)
        if isinstance(step, Do) and given:
            return self.rule.actions[step.uid].in_words({**step.params, **given})
        if isinstance(step, Ask):
            return _asked(self.attempts.get(cursor, [])) or self.rule.step_words(step.uid)
        return self.rule.step_words(step.uid)

    def _began(self, prefix: str) -> bool:
        return any(cursor.startswith(prefix) for cursor in self.cursors)

    def _branch(self, node: Node, step: If) -> None:
        ways = {"then": step.then, "else": step.otherwise}
        taken = next((way for way in ways if self._began(f"{node.cursor}:{way}/")), None)
        if taken is not None:
            node.note = "true: this way" if taken == "then" else "otherwise"
            # Numbers go on through both ways, as in the builder: a step has one number everywhere.
            first = 1 if taken == "then" else 1 + len(step.then)
            prefix = f"{node.cursor}:{taken}/"
            node.inside = self._list(ways[taken], prefix, f"{node.number}.", first)
        elif self._past(node.cursor):
            node.note = "nothing to do on the way that was taken"
        else:
            node.note = "not decided yet" if self.run.finished_at is None else "not reached"

    def _past(self, cursor: str) -> bool:
        """Whether the run has gone on after a step that left no trace of its own."""
        if self.run.state == Run.State.DONE:
            return True
        assert self.rule is not None  # noqa: S101 (nodes)
        order = list(self.rule.steps)
        uid = cursor.rpartition("/")[2]
        last = max((order.index(_uid(at)) for at in self.cursors if _uid(at) in order), default=-1)
        return last > order.index(uid)

    def _loop(self, node: Node, step: ForEach) -> None:
        items = self._items(step)
        begun = self._indices(node.cursor)
        node.total = max(len(items), max(begun, default=-1) + 1)
        shown = self._shown(node.cursor, begun, node.total)
        node.hidden = node.total - len(shown)
        node.note = f"{node.total:,} item{'' if node.total == 1 else 's'}"
        for index in shown:
            words = self._item_words(step, items[index]) if index < len(items) else ""
            prefix = f"{node.cursor}:{index}/"
            item = Node(
                "item", f"{node.number}.{index + 1}", prefix, f"Item {index + 1}", note=words
            )
            item.inside = self._list(step.steps, prefix, f"{node.number}.{index + 1}.")
            node.inside.append(item)

    def _items(self, step: ForEach) -> Sequence[Mapping[str, Any]]:
        kept = (self.run.items or {}).get(step.uid)
        if kept is None and self.event is not None:
            kept = (self.event.lists or {}).get(step.for_each)
        return kept or []

    def _item_words(self, step: ForEach, item: Mapping[str, Any]) -> str:
        return item_words(self.rule, step.for_each, item) if self.rule is not None else ""

    def _indices(self, cursor: str) -> set[int]:
        pattern = re.compile(re.escape(cursor) + r":(\d+)/")
        return {int(match[1]) for at in self.cursors if (match := pattern.match(at))}

    def _shown(self, cursor: str, begun: set[int], total: int) -> list[int]:
        """The first items, those that something is wrong with, and the one it stands at."""
        if self.every or total <= SHOWN_ITEMS:
            return list(range(total))
        odd = {
            index
            for index in begun
            for at, tried in self.attempts.items()
            if at.startswith(f"{cursor}:{index}/") and tried[-1].token in ("bad", "unk", "warn")
        }
        here = {index for index in begun if self.run.cursor.startswith(f"{cursor}:{index}/")}
        return sorted({*range(SHOWN_ITEMS), *odd, *here})

    def _stand(self, node: Node, step: Any) -> None:
        run = self.run
        if run.finished_at is not None or run.cursor != node.cursor:
            return
        if run.leaving and run.state != Run.State.WAITING:
            return
        node.stands_here = True
        node.note = _standing_words(run, step)

    def _lost(self, cursor: str, number: int) -> Node:
        """What was tried at a step that the run's version has no more."""
        tried = self.attempts[cursor]
        action = actions.get(tried[-1].row.action)
        words = action.label if action is not None else tried[-1].row.action or cursor
        return Node("do", str(number), cursor, words, tried)


def _uid(cursor: str) -> str:
    return cursor.rpartition("/")[2].partition(":")[0]


def _standing_words(run: Run, step: Any) -> str:
    """What the run waits for at the step it stands at."""
    at = ui.absolute(run.run_after)
    if run.state == Run.State.WAITING and isinstance(step, Wait):
        ends = [known.label for key in run.ends_on or [] if (known := triggers.get(key))]
        sooner = f"; ended at once by: {', '.join(ends)}" if ends else ""
        return f"Waits until {at}{sooner}"
    if run.state == Run.State.PARKED:
        return f"Kept back: {run.outcome}"
    if run.state == Run.State.CALLING:
        return f"Under way at {run.lane}"
    if run.state == Run.State.HELD and isinstance(step, Ask):
        return f"Waits for an answer of {step.ask.role}"
    if run.state == Run.State.DUE and run.attempts:
        return f"Will be tried again at {at}"
    return ""
