"""One difference between two versions, and the few forms its sentence has."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automations.rules.step_texts import StepText


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is added, removed, changed or moved; `path` is in the new version, or in the old one
    for what was removed.

    `title` says what it is about, `sentence` says all of it; `before` and `after` are the two
    sides, empty where there is none. `texts` are what a step sends, whole, where its words leave
    that out; they are no part of the sentence, which an approver's tick is kept by.
    """

    kind: str
    path: str
    title: str
    sentence: str
    before: str = ""
    after: str = ""
    texts: tuple[StepText, ...] = ()

    @property
    def whole(self) -> str:
        """The sentence, and under it every text."""
        return "\n".join([self.sentence, *map(str, self.texts)])


def _said(title: str, words: str) -> str:
    return f"{title}: {words}"


def added(path: str, title: str, words: str) -> Change:
    return Change(
        "added", path, f"New {_low(title)}", _said(f"New {_low(title)}", words), "", words
    )


def removed(path: str, title: str, words: str) -> Change:
    return Change("removed", path, f"{title} removed", _said(f"{title} removed", words), words)


def changed(path: str, title: str, before: str, after: str) -> Change:
    return Change("changed", path, title, _said(title, f"{before} → {after}"), before, after)


def moved(path: str, title: str, words: str, place: str) -> Change:
    return Change(
        "moved", path, f"{title} moved", _said(f"{title} moved", f"{words}, {place}"), words, place
    )


def titled(path: str, title: str, before: str, after: str) -> Change:
    """Added, removed or changed, as one of the sides is empty."""
    if before and after:
        return changed(path, title, before, after)
    if after:
        return Change("added", path, title, _said(title, after), "", after)
    return Change("removed", path, title, _said(title, f"no longer {before}"), before, "")


def within(change: Change, place: str) -> Change:
    """The same difference, with where it is said first."""
    title, sentence = f"{place}: {_low(change.title)}", f"{place}: {_low(change.sentence)}"
    return replace(change, title=title, sentence=sentence)


def _low(title: str) -> str:
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
