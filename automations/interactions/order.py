"""One rule takes away what another asks for, or ends what another waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from automations.actions import How
from automations.conditions.fields import Kind as Holds
from automations.conditions.rechecking import Seen, compile_recheck, is_frozen, leaf_paths
from automations.interactions.examples import Made, first_that, made_from
from automations.interactions.findings import Finding, Kind
from automations.interactions.leaves import Alternative, Answer
from automations.interactions.pairs import after, shared, starts_on_facts
from automations.interactions.parties import Doing, Party
from automations.interactions.sets import Region
from automations.interactions.solving import Goal, Space, State, is_impossible
from automations.rules.document import Wait, clauses, walk_steps


def dependence(mine: Party, other: Party) -> Iterator[Finding]:
    """Each of the two that keeps the other from acting, in the order in which they act."""
    if not starts_on_facts(mine, other):
        return
    first, second = (mine, other) if mine.place < other.place else (other, mine)
    for before, behind in ((first, second), (second, first)):
        found = _between(before, behind, mine, acts_first=before is first)
        if found is not None:
            yield found


def _between(before: Party, behind: Party, mine: Party, *, acts_first: bool) -> Finding | None:
    if _comes_to_the_same(before, behind) or not any(not each.stage for each in behind.doings):
        return None
    for doing in before.doings:
        if doing.stage:
            continue
        changed = {
            path: region
            for path, region in after(doing, behind.catalogue).items()
            if path in behind.reads
        }
        if not changed:
            continue
        found = _takes_away(before, doing, behind, changed)
        if found is None:
            continue
        shadowed = acts_first and _always(before, doing, behind, changed)
        return _finding(before, doing, behind, mine, found, acts_first, shadowed=shadowed)
    return None


def _comes_to_the_same(before: Party, behind: Party) -> bool:
    """Whether nothing is lost when only the first acts."""
    return {each.effect for each in behind.doings} <= {each.effect for each in before.doings}


def _then(behind: Party, changed: Mapping[str, Region]) -> tuple[Space, Alternative]:
    """The event once more as it is afterwards: only what was changed differs."""
    same = frozenset({*behind.catalogue.fields, *behind.catalogue.lists}) - set(changed)
    space = Space("after", same)
    return space, {space.var(("field", path)): region for path, region in changed.items()}


def _takes_away(
    before: Party, doing: Doing, behind: Party, changed: Mapping[str, Region]
) -> Made | None:
    """An event on which both start, and on which the one no longer matches after the other."""
    now, catalogue = datetime.now().astimezone(), behind.catalogue
    recheck = compile_recheck(behind.document.when, catalogue, behind.document.param_values)

    def fits(state: State) -> Made | None:
        made = made_from(state, catalogue, now)
        if made is None:
            return None
        start = (made.facts, made.lists, now)
        if not before.does(doing, *start) or not behind.does(None, *start):
            return None
        facts = _changed(made.facts, doing, behind)
        still = recheck(Seen(*start), Seen(facts, made.lists, now))
        return made if still is False else None

    space, start = _then(behind, changed)
    goals = [*before.acts(doing), behind.starts(), behind.starts(Answer.NOT_YES, space)]
    return first_that(goals, fits, start)


def _changed(facts: Mapping[str, Any], doing: Doing, behind: Party) -> dict[str, Any]:
    found = dict(facts)
    for change in doing.changes:
        known = behind.catalogue.fields.get(change.what)
        if known is None or change.value is None:
            continue
        if known.kind is Holds.TAGS:
            tags = set(found.get(known.key) or ())
            tag = {change.value}
            found[known.key] = sorted(tags | tag if change.how is How.ADDS else tags - tag)
        elif change.how is How.SETS and known.kind not in (Holds.MONEY, Holds.DURATION):
            found[known.key] = change.value
    return found


def _always(before: Party, doing: Doing, behind: Party, changed: Mapping[str, Region]) -> bool:
    """Whether the other never acts: it is always there first, and always takes it away."""
    if any(is_frozen(leaf, ()) for _, leaf in clauses(behind.document.when)):
        return False
    goals = [behind.starts(), before.starts(Answer.NOT_YES)]
    if doing.guards or not is_impossible(goals):
        return False
    space, start = _then(behind, changed)
    still: list[Goal] = [behind.starts(), behind.starts(space=space)]
    return is_impossible(still, start)


def _finding(
    before: Party,
    doing: Doing,
    behind: Party,
    mine: Party,
    example: Made,
    acts_first: bool,
    *,
    shadowed: bool,
) -> Finding:
    other = behind if before is mine else before
    one, two = _called(before, mine), _called(behind, mine)
    if shadowed:
        says = f"Whatever starts {two}, {one} acts first and will {doing.words}. Then {two} no "
        says += "longer matches."
    elif acts_first:
        says = f"{one} acts first and will {doing.words}. Then {two} no longer matches, and does "
        says += "not act."
    else:
        says = f"{two} acts first, so both act. The other way round, {one} would {doing.words}, "
        says += f"and {two} would no longer match."
    uids = (doing.uid,) if before is mine else _asking(doing, behind)
    both = ((before, doing), (behind, None))
    says = says[:1].upper() + says[1:]
    kind = Kind.SHADOWED if shadowed else Kind.ORDER
    return Finding(kind, says, (other,), uids, both, example)


def _called(party: Party, mine: Party) -> str:
    return "this rule" if party is mine else f"“{party.name}”"


def _asking(doing: Doing, party: Party) -> tuple[str, ...]:
    """The clauses that look at what a step changes."""
    paths = {change.what for change in doing.changes}
    return tuple(
        leaf.uid
        for _, leaf in clauses(party.document.when)
        if leaf.uid is not None and leaf_paths(leaf) & paths
    )


# --- waits --------------------------------------------------------------------------------------


def ended_waits(mine: Party, other: Party) -> Iterator[Finding]:
    """One announces at once what the other's wait ends on."""
    if not starts_on_facts(mine, other):
        return
    for ending, waiting in ((mine, other), (other, mine)):
        found = _ends(ending, waiting, mine)
        if found is not None:
            yield found


def _ends(ending: Party, waiting: Party, mine: Party) -> Finding | None:
    for step in _waits(waiting):
        for doing in ending.doings:
            if doing.stage or not set(doing.action.announces) & set(step.end_run_on):
                continue
            both = ((ending, doing), (waiting, None))
            goals = [*ending.acts(doing), waiting.starts()]
            if is_impossible(goals):
                continue
            one, two = _called(ending, mine), _called(waiting, mine)
            says = f"{one} will {doing.words}, and that ends the wait of {two}, which does no more."
            other = waiting if ending is mine else ending
            uid = doing.uid if ending is mine else step.uid
            says = says[:1].upper() + says[1:]
            return Finding(Kind.ENDS_WAIT, says, (other,), (uid,), both, shared(both, goals))
    return None


def _waits(party: Party) -> list[Wait]:
    return [step for _, step in walk_steps(party.document.steps) if isinstance(step, Wait)]
