"""How two condition trees differ: matched by uid, then by content, then by what parts are about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from automations.conditions.operands import Scope
from automations.conditions.problems import joined
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Leaf,
    Listed,
    Not,
    Sum,
    children,
)
from automations.conditions.words import (
    clause_words,
    figure_words,
    leaf_words,
    tree_words,
)
from automations.rules.changes import Change, added, changed, moved, removed

_GROUP = {"all": "all of these", "any": "any of these"}


def content(node: Condition) -> str:
    """What a subtree says, whatever its uids."""
    return json.dumps(_bare(node.model_dump(by_alias=True, exclude_none=True)), sort_keys=True)


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(part) for part in value]
    if isinstance(value, dict):
        return {key: _bare(part) for key, part in value.items() if key != "uid"}
    return value


def _about(node: Condition) -> tuple[str, ...]:
    """What a leaf is about: its field, or its list and what is asked of it."""
    if isinstance(node, Clause):
        return ("field", node.field)
    if isinstance(node, Sum):
        return ("sum", node.path, node.of)
    if isinstance(node, Listed):
        return (node.shape, node.path)
    return ()


def _about_and_op(node: Condition) -> tuple[str, ...]:
    return (*_about(node), node.op) if isinstance(node, Clause | Count | Sum) else ()


def _list_of(node: Condition) -> tuple[str, ...]:
    return (node.path,) if isinstance(node, Listed) else ()


def _shape(node: Condition) -> tuple[str, ...]:
    return () if isinstance(node, Leaf) else (node.shape,)


def _is_group(node: Condition) -> tuple[str, ...]:
    return ("group",) if isinstance(node, AllOf | AnyOf) else ()


def _uid(node: Condition) -> tuple[str, ...]:
    return (node.uid,) if node.uid else ()


def _whole(node: Condition) -> tuple[str, ...]:
    return (content(node),)


# From the surest sign to the weakest; an empty sign matches nothing.
_SIGNS: tuple[Callable[[Condition], tuple[str, ...]], ...] = (
    _uid, _whole, _about_and_op, _about, _list_of, _shape, _is_group,
)  # fmt: skip

Part = tuple[str, Condition]


def _likeness(one: Condition, two: Condition) -> int:
    """How many leaves two subtrees share."""
    mine = {content(leaf) for leaf in _leaves(one)}
    return len(mine & {content(leaf) for leaf in _leaves(two)})


def _leaves(node: Condition) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    for _, part in children(node):
        yield from _leaves(part)


def _pairs(
    old: Sequence[Part], new: Sequence[Part]
) -> tuple[list[tuple[Part, Part]], list[Part], list[Part]]:
    """Matched parts in the new order, and what is left on either side."""
    rest_old, rest_new = list(old), list(new)
    pairs: list[tuple[Part, Part]] = []
    for sign in _SIGNS:
        for part in list(rest_new):
            wanted = sign(part[1])
            like = [known for known in rest_old if wanted and sign(known[1]) == wanted]
            if like:
                best = max(like, key=lambda known: _likeness(known[1], part[1]))
                pairs.append((best, part))
                rest_old.remove(best)
                rest_new.remove(part)
    pairs.sort(key=lambda pair: [part[0] for part in new].index(pair[1][0]))
    return pairs, rest_old, rest_new


@dataclass(slots=True)
class _Comparison:
    """Collects changes; what is gone here and new there is told as moved at the end."""

    changes: list[Change] = field(default_factory=list)
    gone: list[tuple[Part, Scope]] = field(default_factory=list)
    new: list[tuple[Part, Scope]] = field(default_factory=list)

    def compare(self, old: Part, new: Part, before: Scope, after: Scope) -> None:
        one, two = old[1], new[1]
        if content(one) == content(two):
            return
        if isinstance(one, AllOf | AnyOf) and isinstance(two, AllOf | AnyOf):
            self.groups(old, new, before, after)
        elif isinstance(one, Not) and isinstance(two, Not):
            inner = (joined(old[0], "not"), one.part), (joined(new[0], "not"), two.part)
            self.compare(*inner, before, after)
        elif isinstance(one, Clause) and isinstance(two, Clause):
            self._clauses(one, two, before, after, new[0])
        elif isinstance(one, Listed) and isinstance(two, Listed) and _about(one) == _about(two):
            self._lists((old[0], one), (new[0], two), before, after)
        else:
            self._changed(new[0], "Condition", tree_words(one, before), tree_words(two, after))

    def _changed(self, path: str, title: str, before: str, after: str) -> None:
        if before != after:
            self.changes.append(changed(path, title, before, after))

    def groups(self, old: Part, new: Part, before: Scope, after: Scope) -> None:
        """Compare two trees as groups; a single clause counts as a group of one."""
        was, now = _joining(old[1]), _joining(new[1])
        if was and now and was != now:
            self._changed(new[0], "Group", was, now)
        never = _is_never(old[1]), _is_never(new[1])
        if never[0] != never[1]:
            said = {True: "empty, which is never true", False: "can be true"}
            self._changed(new[0], "Group", said[never[0]], said[never[1]])
        pairs, gone, fresh = _pairs(_parts(*old), _parts(*new))
        for first, second in pairs:
            self.compare(first, second, before, after)
        self.gone.extend((part, before) for part in gone)
        self.new.extend((part, after) for part in fresh)

    def _clauses(self, one: Clause, two: Clause, before: Scope, after: Scope, path: str) -> None:
        was, now = clause_words(one, before), clause_words(two, after)
        if (was.subject, was.verb) == (now.subject, now.verb):
            title = f"{now.subject} {now.verb}"
            self._changed(path, _upper(title), was.value, now.value)
        else:
            self._changed(path, "Condition", str(was), str(now))
        self._start_only(one, two, path, str(now))
        if str(was) == str(now) and one.value != two.value:
            self.changes.append(
                changed(path, _upper(str(now)), _source(one.value), _source(two.value))
            )

    def _lists(
        self, old: tuple[str, Listed], new: tuple[str, Listed], before: Scope, after: Scope
    ) -> None:
        one, two = old[1], new[1]
        if isinstance(one, Count | Sum) and isinstance(two, Count | Sum):
            was, now = figure_words(one, before), figure_words(two, after)
            bare = now.subject.partition(" where ")[0]
            if was.verb == now.verb:
                self._changed(new[0], _upper(f"{bare} {now.verb}"), was.value, now.value)
            else:
                values = f"{was.verb} {was.value}", f"{now.verb} {now.value}"
                self._changed(new[0], _upper(bare), *values)
        self._start_only(one, two, new[0], leaf_words(two, after))
        self._where(old, new, before, after)

    def _where(
        self, one: tuple[str, Listed], two: tuple[str, Listed], before: Scope, after: Scope
    ) -> None:
        (old_path, old), (new_path, new) = one, two
        if old.where is not None and new.where is not None:
            parts = (joined(old_path, "where"), old.where), (joined(new_path, "where"), new.where)
            self.groups(*parts, _inside(old, before), _inside(new, after))
        elif old.where is not new.where:
            was, now = leaf_words(old, before), leaf_words(new, after)
            self._changed(new_path, "Condition", was, now)

    def _start_only(self, one: Leaf, two: Leaf, path: str, words: str) -> None:
        if one.start_only is not two.start_only:
            said = {True: "judged at the start only", False: "judged again before each effect"}
            before, after = said[one.start_only], said[two.start_only]
            self.changes.append(changed(path, _upper(words), before, after))

    def finish(self) -> list[Change]:
        """All changes; a part that left one group and came to another is told once, as moved."""
        fresh = list(self.new)
        for (path, node), scope in self.gone:
            same = next((known for known in fresh if content(known[0][1]) == content(node)), None)
            if same is None:
                self.changes.append(removed(path, _title(node), tree_words(node, scope)))
            else:
                fresh.remove(same)
                words = tree_words(node, same[1])
                self.changes.append(moved(same[0][0], _title(node), words, "now in another group"))
        for (path, node), scope in fresh:
            self.changes.append(added(path, _title(node), tree_words(node, scope)))
        return self.changes


def _inside(node: Condition, scope: Scope) -> Scope:
    if isinstance(node, Listed) and node.path in scope.catalogue.lists:
        return scope.inside(node.path)
    return scope


def _upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def _source(value: Any) -> str:
    """Where a value comes from, for two that read the same."""
    return "from a tunable" if isinstance(value, dict) and "param" in value else "written out"


def _title(node: Condition) -> str:
    return "Group" if isinstance(node, AllOf | AnyOf) and len(node.parts) > 1 else "Condition"


def _parts(path: str, node: Condition) -> list[Part]:
    if isinstance(node, AllOf | AnyOf):
        return [(joined(path, step), part) for step, part in children(node)]
    return [(path, node)]


def _joining(node: Condition) -> str:
    """How a group joins its parts; empty for less than two, which need no joining."""
    if isinstance(node, AllOf | AnyOf) and len(node.parts) > 1:
        return _GROUP[node.shape]
    return ""


def _is_never(node: Condition) -> bool:
    """Whether it is an `any` without parts: nothing of it is left to tell, and it never fires."""
    return isinstance(node, AnyOf) and not node.parts


def compare_conditions(
    old: Condition, new: Condition, before: Scope, after: Scope, path: str
) -> list[Change]:
    """The changes from one tree to another; each side is told in its own scope."""
    comparison = _Comparison()
    if content(old) != content(new):
        comparison.groups((path, old), (path, new), before, after)
    return comparison.finish()


def first_conditions(tree: Condition, scope: Scope, path: str) -> list[Change]:
    """Every part of a first version, as added."""
    parts = _parts(path, tree)
    found = [added(at, _title(part), tree_words(part, scope)) for at, part in parts]
    if isinstance(tree, AnyOf) and len(parts) > 1:
        found.insert(0, added(path, "Group", _GROUP["any"]))
    return found
