"""A tenth of the short form, the recovery times, and the proof that the harness finds bugs.

`make chaos` runs the short form as a whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.chaos.plants import PLANTS
from tests.chaos.recovery import LIMITS
from tests.chaos.trials import TRIALS
from tests.chaos.world import compiled

# On servers of its own, which it stops: never the session's.
STATE = Path(settings.ROOT, "var", "chaos-test")
PATIENCE_SECONDS = 900.0


def chaos(folder: Path, *options: str) -> dict[str, Any]:
    """Run it as `make chaos` does; answers its verdict. The test fails when there is none."""
    told = folder / "verdict.json"
    command = [sys.executable, "-m", "tests.chaos", "--state", str(STATE), "--json", str(told)]
    env = {**os.environ, **compiled()}
    log = folder / "chaos.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [*command, *options], cwd=settings.ROOT, env=env, stdout=output, stderr=output
        )
        try:
            running.wait(PATIENCE_SECONDS)
        finally:
            running.terminate()
            running.wait()
    if not told.exists():
        pytest.fail(f"There is no verdict:\n{log.read_text(errors='replace')[-3000:]}")
    found: dict[str, Any] = json.loads(told.read_text())
    return found


@pytest.mark.requirement("R8")
@pytest.mark.requirement("R9")
def test_what_is_killed_flushed_and_stopped_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    amounts = ["--events", "2000", "--kills", "5", "--flushes", "1", "--pg-stops", "1"]
    verdict = chaos(tmp_path, "--seed", "1", "--pauses", "1", *amounts)
    assert verdict["violations"] == []
    # It was harmed indeed, and in the middle of its work.
    assert sum(n for what, n in verdict["faults"].items() if what.startswith("kill")) == 5
    assert {"flush", "pg_stop", "pause external"} <= set(verdict["faults"])
    assert verdict["figures"]["in_hand"] > 0
    assert verdict["figures"]["delivered_again"] > 0
    assert verdict["figures"]["run_states"]["done"] > 2000


@pytest.fixture(scope="module")
def recovered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The recovery times, measured with the product's own leases."""
    return chaos(tmp_path_factory.mktemp("recovery"), "--recovery")


def test_while_the_recovery_is_measured_all_holds(recovered: dict[str, Any]) -> None:
    assert recovered["violations"] == []


@pytest.mark.parametrize("what", LIMITS)
def test_work_goes_on_by_itself_in_time(recovered: dict[str, Any], what: str) -> None:
    assert recovered["figures"][what] <= LIMITS[what]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each trial found, with and without a planted bug."""
    verdict = chaos(tmp_path_factory.mktemp("planted"), "--planted", "all")
    found: dict[str, list[str]] = verdict["figures"]["found"]
    return found


@pytest.mark.parametrize("name", TRIALS)
def test_the_product_passes_the_trial(tried: dict[str, list[str]], name: str) -> None:
    assert tried[name] == []


@pytest.mark.parametrize("name", PLANTS)
def test_the_harness_finds_the_planted_bug(tried: dict[str, list[str]], name: str) -> None:
    assert any(PLANTS[name].finds in said for said in tried[name]), tried[name]
