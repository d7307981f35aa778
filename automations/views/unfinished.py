"""A draft without what its author has not finished, so that the rest can be counted and told."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from automations.conditions.problems import Problem
from automations.rules.editing import Json, inner, is_group, is_list, parts_of
from automations.rules.step_editing import bodies_of, kind_of
from automations.views.drafting import Drafting


def _broken(path: str, problems: Iterable[Problem]) -> bool:
    return any(each.path == path or each.path.startswith(f"{path}.") for each in problems)


def _kept(node: Json, path: str, problems: Sequence[Problem]) -> int:
    """Take unfinished clauses out of a group, in place; answers how many."""
    held = f"{path}.not" if "not" in node else path
    shape = "all" if "all" in inner(node) else "any"
    kept, out = [], 0
    for index, part in enumerate(parts_of(node)):
        at = f"{held}.{shape}.{index}"
        if is_group(part):
            less = _kept(part, at, problems)
            out += less
            # Emptied, it would say always or never, which its author has not said.
            if less and not parts_of(part):
                continue
        elif is_list(part):
            broken = [each for each in problems if not each.path.startswith(f"{at}.where")]
            if _broken(at, broken):
                out += 1
                continue
            less = _kept(part["where"], f"{at}.where", problems)
            out += less
            if less and not parts_of(part["where"]):
                continue
        elif _broken(at, problems):
            out += 1
            continue
        kept.append(part)
    inner(node)[shape] = kept
    return out


def _steps(steps: list[Json], path: str, problems: Sequence[Problem]) -> list[Json]:
    """The steps that can be read: an action always can, whatever its parameters still lack."""
    kept = []
    for index, step in enumerate(steps):
        at, kind = f"{path}.{index}", kind_of(step)
        parts = tuple(f"{at}.{name}." for name in ("then", "else", "steps"))
        own = [each for each in problems if not each.path.startswith(parts)]
        if kind != "do" and _broken(at, own):
            continue
        for name, inside in bodies_of(step):
            step[name] = _steps(inside, f"{at}.{name}", problems)
        kept.append(step)
    return kept


def finished(drafting: Drafting) -> tuple[Json, int]:
    """The draft without unfinished conditions, steps and limits, and how many are left out."""
    body, blocking = copy.deepcopy(drafting.body), drafting.blocking
    out = _kept(body["when"], "when", [each for each in blocking if each.path.startswith("when")])
    before = _count(body["steps"])
    body["steps"] = _steps(body["steps"], "steps", blocking)
    out += before - _count(body["steps"])
    if _broken("limits", blocking):
        body["limits"] = {}
        out += 1
    return body, out


def _count(steps: Sequence[Json]) -> int:
    return sum(1 + sum(_count(inside) for _, inside in bodies_of(step)) for step in steps)
