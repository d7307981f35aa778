"""What the supervisor starts again, how often, and when it says that it is no use."""

from __future__ import annotations

import os
import time
from pathlib import Path

from config.local.state import State
from config.local.supervisor import Budget, Program, Supervisor


def test_restarts_are_counted_and_come_back_with_time() -> None:
    budget = Budget(3, 600)
    assert [budget.spend(now) for now in (0.0, 10.0, 20.0, 30.0)] == [True, True, True, False]
    assert budget.wait(30.0) == 570.0
    assert budget.spend(600.0)
    assert not budget.spend(601.0)


def supervised(state: State, said: list[str], *programs: Program) -> Supervisor:
    made = Supervisor(state, said.append)
    for program in programs:
        made.start(program)
    return made


def test_a_program_that_keeps_ending_is_started_again_less_often_and_that_is_said(
    tmp_path: Path,
) -> None:
    state = State(tmp_path / "state")
    state.open()
    said: list[str] = []
    program = Program("short", ["true"], os.environ, deaths=Budget(2, 600))
    made = supervised(state, said, program)
    now = time.monotonic()
    for _ in range(3):
        assert program.popen is not None
        program.popen.wait(20)
        made._mend(program, now)
        made.start(program)
    assert "short ended 2 times in ten minutes." in said
    assert program.due - now > 500
    made.stop()


def test_a_program_that_stands_still_again_and_again_is_left_as_it_is_and_that_is_said_once(
    tmp_path: Path,
) -> None:
    state = State(tmp_path / "state")
    state.open()
    said: list[str] = []
    deaf = Program("worker", ["sleep", "60"], os.environ, stalls=Budget(2, 900))
    other = Program("beat", ["sleep", "60"], os.environ)
    dog = Program("watchdog", ["sh", "-c", "exit 3"], os.environ, mends={3: ["worker"]})
    made = supervised(state, said, deaf, other, dog)
    pids = {deaf.popen.pid if deaf.popen else 0}
    beat = other.popen
    for _ in range(5):
        assert dog.popen is not None
        dog.popen.wait(20)
        made._mend(dog, time.monotonic())
        made._mend(dog, time.monotonic())
        pids.add(deaf.popen.pid if deaf.popen else 0)
    assert len(pids) == 3
    assert other.popen is beat
    assert len([line for line in said if "does nothing" in line]) == 2
    assert len([line for line in said if "left as it is" in line]) == 1
    assert not [line for line in said if line.startswith("watchdog ended")]
    made.stop()
