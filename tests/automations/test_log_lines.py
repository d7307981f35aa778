"""What a worker's log says of runs: JSON lines with the ids of event, run, rule and version."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice.logs import JsonLines
from tests.automations import factories as make
from tests.bed.databases import Database
from tests.bed.workers import StartWorker
from tests.depot import automation


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.requirement("R10")
def test_a_line_from_inside_an_action_names_event_run_rule_and_version(
    committed_db: Database, start_worker: StartWorker
) -> None:
    worker = start_worker(env={"LOG_FORMAT": "json"})
    rule = make.live_rule(steps=make.steps("depot.buggy"))
    make.arrive(make.make_parcels(20))
    until = time.monotonic() + 60
    while not Failure.objects.exists() or Run.objects.filter(state="due").exists():
        assert time.monotonic() < until
        time.sleep(0.1)
    found = lines_of(worker.log.read_text())
    (broke,) = [line for line in found if line["logger"] == "automations.engine.calls"]
    run = Run.objects.get(state="failed")
    assert broke["event_id"] == run.event_id
    assert broke["run_id"] == run.pk
    assert broke["rule_id"] == rule.pk
    assert broke["version"] == Document.objects.get(pk=run.document_id).version
    assert broke["task"] in {"automations.tasks.match_events", "automations.tasks.execute_runs"}
    assert broke["task_id"]
    assert "ZeroDivisionError" in broke["exception"]
    batches = [line for line in found if line["logger"] == "automations.engine.drain"]
    assert sum(line["done"] for line in batches if line["stage"] == "match") == 20
    assert sum(line["done"] for line in batches if line["stage"] == "execute") == 20
    assert len(batches) < 20  # a line for a batch, not for a run
    assert all("ms" in line for line in batches)


@pytest.mark.django_db
def test_a_line_from_inside_a_set_names_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(json.loads(JsonLines().format(record)))

    log = logging.getLogger("tests.depot.automation")
    handler = Keep()
    log.addHandler(handler)
    tags = automation.add_tags

    def tell(made: Any) -> set[int]:
        log.warning("Tagging")
        return tags(made)

    monkeypatch.setattr(automation, "add_tags", tell)
    rule = make.live_rule()
    make.parcels_arrived(25)
    make.work_all()
    log.removeHandler(handler)
    (line,) = seen
    assert line["runs"] == 25
    assert line["run_ids"] == list(Run.objects.order_by("pk").values_list("pk", flat=True))[:20]
    assert line["rule_ids"] == [rule.pk]
    assert "run_id" not in line
