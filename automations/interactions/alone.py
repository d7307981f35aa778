"""What a rule makes of itself: parts that are never true or add nothing, steps that fight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from automations.conditions.operands import Scope
from automations.conditions.rechecking import is_frozen, paths_read
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Condition,
    Leaf,
    Listed,
    Node,
    children,
)
from automations.conditions.words import tree_words
from automations.interactions.findings import Finding, Kind
from automations.interactions.leaves import Answer
from automations.interactions.pairs import clash, shared
from automations.interactions.parties import Doing, Party
from automations.interactions.solving import Goal, is_impossible
from automations.rules.document import If, Wait, walk_steps

# Of a tree larger than this the parts are not held against each other one by one.
MOST_PARTS = 60


@dataclass(frozen=True)
class _At:
    """Where a part stands: what has to hold for it to matter, and the fields it may name."""

    beside: tuple[Condition, ...]
    scope: Scope

    def goals(self, *more: tuple[Condition, Answer]) -> list[Goal]:
        held = [Goal(node, Answer.YES, self.scope) for node in self.beside]
        return [*held, *[Goal(node, answer, self.scope) for node, answer in more]]

    def words(self, node: Condition) -> str:
        return f"“{tree_words(node, self.scope)}”"


def on_its_own(mine: Party) -> Iterator[Finding]:
    """What is to be said of a rule without any other."""
    at = _At((), mine.scope)
    if is_impossible([mine.starts()]):
        yield from _never(mine, at)
        return
    yield from of_conditions(mine.document.when, mine.scope)
    yield from _branches(mine)
    yield from _fighting(mine)
    yield from _own_waits(mine)


# --- conditions ---------------------------------------------------------------------------------


def _uids(*nodes: Node) -> tuple[str, ...]:
    return tuple(node.uid for node in nodes if node.uid is not None)


def _never(mine: Party, at: _At) -> Iterator[Finding]:
    parts = _conjuncts(mine.document.when)
    found = _clashing(parts, at)
    if found is None:
        says = "No event can meet all of its conditions together."
        if isinstance(mine.document.when, AnyOf) and not mine.document.when.parts:
            says = "Its conditions are an empty choice, which nothing meets."
        yield Finding(Kind.NEVER, says, proven=True)
        return
    yield Finding(Kind.NEVER, _clash_words(found, at), uids=_uids(*found), proven=True)


def _conjuncts(node: Condition) -> list[Condition]:
    if isinstance(node, AllOf):
        return [inner for part in node.parts for inner in _conjuncts(part)]
    return [node]


def _clashing(parts: Sequence[Condition], at: _At) -> tuple[Condition, ...] | None:
    """The one or two parts that can't hold together; None where it takes more of them."""
    for part in parts:
        if is_impossible(at.goals((part, Answer.YES))):
            return (part,)
    for pair in combinations(parts[:MOST_PARTS], 2):
        if is_impossible(at.goals(*[(part, Answer.YES) for part in pair])):
            return pair
    return None


def _clash_words(found: Sequence[Condition], at: _At) -> str:
    if len(found) == 1:
        return f"{at.words(found[0])} can never be true."
    return f"{at.words(found[0])} and {at.words(found[1])} can’t both be true."


def of_conditions(tree: Condition, scope: Scope) -> Iterator[Finding]:
    """Parts of a tree that can be met which are never reached or add nothing."""
    yield from _parts(tree, _At((), scope))


def _parts(node: Condition, at: _At) -> Iterator[Finding]:
    """Parts that are never reached or add nothing, from the outermost inwards."""
    if isinstance(node, AllOf):
        yield from _of_all(node, at)
    elif isinstance(node, AnyOf):
        yield from _of_any(node, at)
    elif isinstance(node, Listed) and node.where is not None:
        inside = _At((), at.scope.inside(node.path))
        if not is_impossible(inside.goals((node.where, Answer.YES))):
            yield from _parts(node.where, inside)
        else:
            says = f"No item can meet {inside.words(node.where)}."
            yield Finding(Kind.DEAD, says, uids=_uids(node), proven=True)


def _of_all(node: AllOf, at: _At) -> Iterator[Finding]:
    idle: set[int] = set()
    if len(node.parts) <= MOST_PARTS:
        # The later of two that say the same is the one that adds nothing.
        for index in reversed(range(len(node.parts))):
            part = node.parts[index]
            rest = [each for n, each in enumerate(node.parts) if n != index and n not in idle]
            reason = _implied(part, rest, at)
            if reason is not None:
                idle.add(index)
                yield _idle(part, reason, at)
    for index, part in enumerate(node.parts):
        if index not in idle:
            rest = [each for n, each in enumerate(node.parts) if n != index and n not in idle]
            yield from _parts(part, _At((*at.beside, *rest), at.scope))


def _implied(part: Condition, rest: Sequence[Condition], at: _At) -> tuple[Condition, ...] | None:
    """Those of the rest that say all that a part says; None where the part adds something."""
    live = [each for each in (*at.beside, *rest) if _is_frozen(part) or not _is_frozen(each)]
    if not _says_as_much(live, part, at):
        return None
    return next(((each,) for each in live if _says_as_much([each], part, at)), tuple(live))


def _says_as_much(said: Sequence[Condition], part: Condition, at: _At) -> bool:
    """Whether what is said settles a part: yes where it is yes, and never unknown where it is no.

    “Is filled in” beside “is at least 5” is not idle: what is empty would be unknown without it.
    """
    yes = [Goal(each, Answer.YES, at.scope) for each in said]
    not_no = [Goal(each, Answer.NOT_NO, at.scope) for each in said]
    return is_impossible([*yes, Goal(part, Answer.NOT_YES, at.scope)]) and is_impossible(
        [*not_no, Goal(part, Answer.NO, at.scope)]
    )


def _is_frozen(node: Condition) -> bool:
    """Whether it is judged at the start alone, and so says nothing of later."""
    if isinstance(node, Leaf):
        return is_frozen(node, ())
    return any(_is_frozen(part) for _, part in children(node))


def _idle(part: Condition, reason: Sequence[Condition], at: _At) -> Finding:
    if len(reason) == 1:
        says = f"{at.words(part)} adds nothing: {at.words(reason[0])} says as much."
    elif reason:
        says = f"{at.words(part)} adds nothing: the other conditions together say as much."
    else:
        says = f"{at.words(part)} adds nothing: it is always true."
    return Finding(Kind.IDLE, says, uids=_uids(part), proven=True)


def _of_any(node: AnyOf, at: _At) -> Iterator[Finding]:
    out: set[int] = set()
    parts = node.parts[:MOST_PARTS]
    for index, part in enumerate(parts):
        if is_impossible(at.goals((part, Answer.YES))):
            out.add(index)
            yield Finding(Kind.DEAD, _dead_words(part, at), uids=_uids(part), proven=True)
    for index in reversed(range(len(parts))):
        rest = [each for n, each in enumerate(parts) if n != index and n not in out]
        cover = _covering(parts[index], rest, at) if index not in out else None
        if cover is not None:
            out.add(index)
            says = f"{at.words(parts[index])} adds nothing: {at.words(cover)} covers it."
            yield Finding(Kind.IDLE, says, uids=_uids(parts[index]), proven=True)
    for index, part in enumerate(node.parts):
        if index not in out:
            yield from _parts(part, at)


def _covering(part: Condition, rest: Sequence[Condition], at: _At) -> Condition | None:
    """The choice that is met wherever a part is; None where there is none."""
    if _is_frozen(part):
        return None
    for other in rest:
        if _is_frozen(other):
            continue
        covers = is_impossible(at.goals((part, Answer.YES), (other, Answer.NOT_YES)))
        # Where the part is unknown and the other is no, the choice would be no without it.
        if covers and is_impossible(at.goals((part, Answer.NOT_NO), (other, Answer.NO))):
            return other
    return None


def _dead_words(part: Condition, at: _At) -> str:
    alone = _At((), at.scope)
    found = _clashing(_conjuncts(part), alone)
    if found is not None:
        return f"This part is never met: {_clash_words(found, at)}"
    against = [
        each
        for each in at.beside
        if is_impossible(_At((each,), at.scope).goals((part, Answer.YES)))
    ]
    if against:
        return f"{at.words(part)} is never met here: {at.words(against[0])} rules it out."
    return f"{at.words(part)} is never met here: the other conditions rule it out."


# --- steps --------------------------------------------------------------------------------------


def _branches(mine: Party) -> Iterator[Finding]:
    """Sides of a branch that no run takes, where nothing has changed since the start."""
    plain = [step for step in mine.document.steps if isinstance(step, If)]
    for step in plain:
        if _may_have_changed(step, mine):
            continue
        yes = mine.goal(step.test, Answer.YES)
        not_yes = mine.goal(step.test, Answer.NOT_YES)
        words = f"“{tree_words(step.test, mine.scope)}”"
        if step.then and is_impossible([mine.starts(), yes]):
            says = f"{words} is never true of what starts this rule, so its steps are never done."
            yield Finding(Kind.DEAD, says, uids=(step.uid,), proven=True)
        elif step.otherwise and is_impossible([mine.starts(), not_yes]):
            says = f"{words} is always true of what starts this rule, so “otherwise” is never done."
            yield Finding(Kind.DEAD, says, uids=(step.uid,), proven=True)


def _may_have_changed(step: If, mine: Party) -> bool:
    """Whether a wait or a step of its own comes before, so that the present may differ."""
    steps = mine.document.steps
    before = [each for _, each in walk_steps(list(steps[: steps.index(step)]))]
    if any(each.shape in ("wait", "ask") for each in before):
        return True
    done = {each.uid for each in before}
    written = {path for each in mine.doings if each.uid in done for path in each.action.writes}
    if any(_is_frozen(part) for part in _conjuncts(mine.document.when)):
        return True
    return bool(written & paths_read(step.test))


def _fighting(mine: Party) -> Iterator[Finding]:
    """Two steps of one run that make the same thing twice, or one against the other."""
    for one, two in combinations(mine.doings, 2):
        if one.stage != two.stage:
            continue
        found = _own_clash(one, two)
        if found is None or is_impossible([*mine.acts(one), *mine.acts(two)]):
            continue
        both = ((mine, one), (mine, two))
        event = shared(both, [*mine.acts(one), *mine.acts(two)])
        says = f"Step {one.number} will {one.words}, and step {two.number} will {two.words}."
        if found in (Kind.SAME, Kind.TWICE):
            says = f"Step {one.number} and step {two.number} both {one.words}."
        yield Finding(found, says, (), (one.uid, two.uid), both, event, title=_OWN[found])


_OWN = {
    Kind.OPPOSITE: "Its own steps undo each other",
    Kind.SAME_FIELD: "Its own steps set one field twice",
    Kind.SAME: "Its own steps do the same",
    Kind.TWICE: "Its own steps do it twice",
}


def _own_clash(one: Doing, two: Doing) -> Kind | None:
    alike = one.identity == two.identity
    found = [
        kind
        for first in one.changes
        for second in two.changes
        if (kind := clash(first, second, alike=alike)) is not None
    ]
    return min(found, key=list(Kind).index) if found else None


def _own_waits(mine: Party) -> Iterator[Finding]:
    """A step right before a wait announces what the wait ends on."""
    steps = list(mine.document.steps)
    for before, step in pairwise(steps):
        doing = next((each for each in mine.doings if each.uid == before.uid), None)
        if doing is None or not isinstance(step, Wait):
            continue
        if set(doing.action.announces) & set(step.end_run_on):
            says = f"Step {doing.number} will {doing.words}, and that ends the wait that follows."
            uids = (doing.uid, step.uid)
            title = "It ends its own wait"
            both = ((mine, doing),)
            event = shared(both, mine.acts(doing))
            yield Finding(Kind.ENDS_WAIT, says, (), uids, both, event, title=title)
