"""A wake-up takes its work to the end: what one stage leaves for the next needs no message."""

from __future__ import annotations

import pytest

from automations.engine import drain as draining
from automations.engine import wake
from automations.engine.drain import drain
from automations.engine.wake import Stage


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """The stages a message was sent for."""
    found: list[Stage] = []
    monkeypatch.setattr(wake, "call_for_help", lambda stage, lane="": found.append(stage))
    monkeypatch.setattr(wake, "arrived", lambda stage: None)
    return found


def test_runs_that_a_match_makes_are_executed_by_the_same_wake_up(sent: list[Stage]) -> None:
    events, runs, done = [3, 2], [0], [0]

    def match() -> int:
        taken = events.pop() if events else 0
        runs[0] += taken
        wake.send("execute")
        return taken

    def execute() -> int:
        acted, runs[0] = runs[0], 0
        done[0] += acted
        wake.send("match")
        return acted

    assert drain({"match": match, "execute": execute}, full=500) == 10
    assert done == [5]
    assert sent == []


def test_what_is_left_to_other_stages_is_sent_for(sent: list[Stage]) -> None:
    def match() -> int:
        wake.send("execute")
        return 0

    drain({"match": match}, full=500)
    wake.send("match")
    assert sent == ["execute", "match"]


def test_a_full_batch_calls_for_help(sent: list[Stage]) -> None:
    left = [500, 20]
    assert drain({"execute": lambda: left.pop(0) if left else 0}, full=500) == 520
    assert sent == ["execute"]


def test_a_wake_up_that_breaks_hides_no_later_one(sent: list[Stage]) -> None:
    def broken() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drain({"match": broken}, full=500)
    wake.send("match")
    assert sent == ["match"]


def test_a_wake_up_ends_in_time_and_hands_the_rest_on(
    sent: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "SECONDS", 0.0)
    assert drain({"match": lambda: 1, "execute": lambda: 1}, full=500) == 2
    assert sent == ["match"]
