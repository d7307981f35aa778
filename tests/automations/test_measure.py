"""Counting what ended: once each, equal to a plain count, whatever is under way beside it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from django.db.models import Count, Sum
from django.test import Client
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from automations.engine import measure
from automations.models.figures import Measured, RunHour, RunMinute, RunReach
from automations.models.progress import EngineHour
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.queries import figures, health
from automations.services import approvals, drafts
from backoffice.actors import person
from tests.automations import factories as make
from tests.bed.databases import Database, at_once

LONG_AGO = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


def end(runs: list[Run], at: datetime, apart: timedelta, state: str = "done") -> None:
    """Let runs have ended at a time, each some time after the other."""
    for number, run in enumerate(runs):
        run.state, run.finished_at = state, at + number * apart
    Run.objects.bulk_update(runs, ["state", "finished_at"])


def some_runs(count: int, **changes: Any) -> list[Run]:
    """Runs of a new rule that were done just now."""
    rule = make.live_rule(**changes)
    make.parcels_arrived(count)
    make.work_all()
    return list(Run.objects.filter(rule_id=rule.pk).order_by("pk"))


def plainly(**conditions: Any) -> dict[str, int]:
    """Ended runs by state, counted one by one."""
    rows = Run.objects.filter(finished_at__isnull=False, **conditions).order_by().values("state")
    return {row["state"]: row["n"] for row in rows.annotate(n=Count("pk"))}


def counted() -> dict[str, int]:
    rows = RunHour.objects.order_by().values("state")
    return {row["state"]: row["n"] for row in rows.annotate(n=Sum("runs"))}


@pytest.mark.django_db
def test_each_ended_run_is_counted_once_however_often_and_in_what_sets() -> None:
    rule, second = some_runs(7)[0].rule_id, some_runs(5)
    first = list(Run.objects.filter(rule_id=rule))  # the second parcels met the first rule too
    end(first, LONG_AGO, timedelta(minutes=20))
    end(second[:3], LONG_AGO + timedelta(seconds=1), timedelta(minutes=1), "overtaken")
    end(second[3:], LONG_AGO, timedelta(0), "skipped")
    while measure.count(at_once=2):
        pass
    assert measure.count() == 0
    assert counted() == plainly()
    assert sum(RunMinute.objects.values_list("runs", flat=True)) == Run.objects.count()
    assert sum(RunReach.objects.values_list("runs", flat=True)) == plainly()["done"]
    total = Measured.objects.get()
    assert (total.done, total.overtaken, total.skipped) == (12, 3, 2)


@pytest.mark.django_db
def test_what_has_not_ended_or_ended_a_moment_ago_is_not_counted_yet() -> None:
    runs = some_runs(3)
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(2)
    make.work_all()
    end(runs[:1], LONG_AGO, timedelta(0))
    assert measure.count() == 1
    assert health.runs_by_state()["done"] == Run.objects.filter(state="done").count()
    assert health.runs_by_state()["failed"] == 2


@pytest.mark.django_db
def test_shadows_are_counted_nowhere(administrator_client: Client) -> None:
    rule = make.live_rule()
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    approvals.run_in_shadow(make.submit(rule).pk, actor=person(make.author()))
    make.parcels_arrived(3)
    make.match_all()
    Run.objects.update(run_after=timezone.now())
    make.execute_all()
    assert Run.objects.filter(shadow=True).count() == 3
    end(list(Run.objects.all()), LONG_AGO, timedelta(0))
    assert measure.count() == 3
    assert counted() == {"done": 3}
    assert health.runs_by_state()["done"] == 3
    listing = administrator_client.get("/runs/?shadow=no").context["listing"]
    assert listing.total == 3


def test_a_transaction_that_ends_runs_is_waited_for(committed_db: Database) -> None:
    early, late = some_runs(2)
    end([early], LONG_AGO, timedelta(0))
    with psycopg.connect(committed_db.url) as worker:
        worker.execute("SET idle_in_transaction_session_timeout = '60s'")
        worker.execute(
            "UPDATE automations_run SET finished_at = clock_timestamp() WHERE id = %s", [late.pk]
        )
        measure.count()
        (begun,) = worker.execute("SELECT now()").fetchone() or (None,)
        assert Measured.objects.get().upto <= begun
    assert counted() == {"done": 1}


def test_two_that_count_at_once_count_each_run_once(committed_db: Database) -> None:
    end(some_runs(40), LONG_AGO, timedelta(seconds=7))

    def work() -> int:
        return sum(iter(partial(measure.count, 3), 0))

    answers = at_once([work] * 4)
    while measure.count():
        pass
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert counted() == {"done": 40} == plainly()


class CountingIsExact(TestCase):
    """Whatever ended when: hours and minutes are those of a plain count."""

    @settings(max_examples=25, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 180 * 60),
                st.sampled_from(["done", "overtaken", "skipped", "cancelled"]),
            ),
            min_size=1,
            max_size=40,
        ),
        st.integers(1, 9),
    )
    def test_figures_are_those_of_a_plain_count(
        self, ended: list[tuple[int, str]], at_once: int
    ) -> None:
        runs = some_runs(len(ended))
        for run, (second, state) in zip(runs, ended, strict=True):
            run.state, run.finished_at = state, LONG_AGO + timedelta(seconds=second)
        Run.objects.bulk_update(runs, ["state", "finished_at"])
        while measure.count(at_once):
            pass
        assert counted() == plainly()
        for hour in RunHour.objects.values_list("hour", flat=True).distinct():
            inside = {"finished_at__gte": hour, "finished_at__lt": hour + figures.HOUR}
            told = RunHour.objects.filter(hour=hour).aggregate(n=Sum("runs"))["n"]
            assert told == sum(plainly(**inside).values())
        for minute in RunMinute.objects.all():
            inside = {
                "finished_at__gte": minute.minute,
                "finished_at__lt": minute.minute + figures.MINUTE,
            }
            assert minute.runs == sum(plainly(**inside).values())


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("values", [[0.01], [0.1, 0.2, 30.0], [float(n) for n in range(1, 400)]])
def test_percentiles_of_the_histogram_are_six_percent_off_at_most(
    values: list[float], share: float
) -> None:
    from math import ceil, floor, log10  # noqa: PLC0415

    counted: dict[int, int] = {}
    for value in values:
        bucket = floor(20 * log10(value / 0.001))
        counted[bucket] = counted.get(bucket, 0) + 1
    exact = sorted(values)[ceil(share * len(values)) - 1]
    assert abs(figures.percentile(list(counted.items()), share) / exact - 1) < 0.062


@pytest.mark.django_db
def test_uptime_counts_minutes_in_which_the_sweep_ran_and_nothing_stood_still() -> None:
    assert figures.uptime(LONG_AGO) is None
    EngineHour.objects.create(hour=LONG_AGO, swept=0b111100, stalled=0b001000)
    found = figures.uptime(LONG_AGO)
    assert found is not None
    assert found.up == 3
    assert found.since == LONG_AGO + timedelta(minutes=2)
    assert found.minutes > 60
    assert found.share < 0.05


@pytest.mark.django_db
def test_figures_by_rule_tell_what_each_declares() -> None:
    runs = some_runs(4, latency="batch")
    end(runs, LONG_AGO, timedelta(0))
    Measured.objects.update(upto=LONG_AGO - timedelta(hours=1))
    while measure.count():
        pass
    Measured.objects.update(upto=LONG_AGO + timedelta(minutes=5))
    (rule,) = figures.figures(24).rules
    assert rule.rule == Rule.objects.get(pk=runs[0].rule_id)
    assert (rule.latency, rule.ended, rule.failures, rule.late) == ("batch", 4, 0, 0)
