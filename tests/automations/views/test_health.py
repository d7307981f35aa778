"""The page of the engine's health: every figure is the total of the list it leads to."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from automations.engine import measure, progress, watchdog
from automations.models.failures import Failure
from automations.models.figures import Measured, Overrun
from automations.models.progress import Progress, Worker
from automations.models.runs import Run
from automations.views import health
from backoffice.models import User
from tests.automations import factories as make

LINK = re.compile(r'<a[^>]*href="([^"?]*\?[^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
TAGS = re.compile(r"<[^>]+>")


def busy_day() -> None:
    """Three rules whose runs ended in many ways over the last 30 hours, some late, some failed."""
    make.live_rule(name="Tag", latency="batch")
    make.live_rule(name="Choosy", steps=make.steps("depot.choosy", tag="no"))
    make.live_rule(name="Tag twice", steps=make.steps("depot.add_tag", "depot.add_tag"))
    make.parcels_arrived(30)
    make.work_all()
    make.parcels_arrived(4)
    make.match_all()
    now = timezone.now()
    ended = list(Run.objects.filter(finished_at__isnull=False).order_by("pk"))
    for number, run in enumerate(ended):
        run.finished_at = now - timedelta(minutes=1 + number * 29)
        run.state = ("done", "done", "overtaken", "skipped", "done", "cancelled")[number % 6]
    Run.objects.bulk_update(ended, ["state", "finished_at"])
    for run in ended[:7]:
        Overrun.objects.create(
            run_id=run.pk, kind="start", rule_id=run.rule_id, latency="real_time", seconds=70
        )
    Overrun.objects.create(
        run_id=ended[8].pk, kind="step", rule_id=ended[8].rule_id, latency="batch", seconds=33
    )
    Overrun.objects.update(noticed_at=now - timedelta(hours=2))
    Failure.objects.filter(pk__in=Failure.objects.order_by("pk")[:9].values("pk")).update(
        opened_at=now - timedelta(days=3)
    )
    Failure.objects.filter(opened_at__gte=now - timedelta(days=1)).update(
        opened_at=now - timedelta(hours=1)
    )
    Worker.objects.create(name="host:1", started_at=now - timedelta(hours=3), seen_at=now)
    while measure.count():
        pass


def figures_with_lists(page: str) -> list[tuple[str, int]]:
    """Every link to a list whose words are a number, with the number."""
    found = []
    for url, words in LINK.findall(page):
        text = TAGS.sub("", words).strip().replace(",", "")
        if text.isdecimal():
            found.append((html.unescape(url), int(text)))
    return found


@pytest.mark.requirement("R12")
@pytest.mark.django_db
@pytest.mark.parametrize("last", ["day", "week"])
def test_every_figure_is_the_total_of_the_list_it_leads_to(
    administrator_client: Client, last: str
) -> None:
    busy_day()
    page = administrator_client.get(f"/automation/health/?last={last}").content.decode()
    found = figures_with_lists(page)
    assert len(found) > 100  # states, outcomes, hours, minutes, peaks, and four for each rule
    wrong = [
        (url, told, listed)
        for url, told in found
        if (listed := administrator_client.get(url).context["listing"].total) != told
    ]
    assert not wrong


@pytest.mark.requirement("R12")
@pytest.mark.django_db
def test_the_figures_of_the_window_are_those_of_a_plain_count(
    administrator_client: Client,
) -> None:
    busy_day()
    found = administrator_client.get("/automation/health/").context["figures"]
    at = found.window
    inside = Run.objects.filter(finished_at__gte=at.since, finished_at__lte=at.upto)
    assert found.by_state == {
        state: inside.filter(state=state).count()
        for state in ("done", "overtaken", "skipped", "cancelled")
    }
    assert found.ended == inside.count() > 20
    assert sum(spell.runs for spell in found.hours) == inside.count()
    failed = Failure.objects.filter(opened_at__gte=at.since, opened_at__lte=at.upto).count()
    assert found.failures == failed == 21
    assert found.error_rate == pytest.approx(failed / (failed + inside.count()))
    assert found.busiest_hour.runs == max(spell.runs for spell in found.hours)
    assert found.late == 7
    assert found.uptime is None
    by_name = {each.rule.name: each for each in found.rules}
    assert by_name["Tag"].latency == "batch"
    assert by_name["Choosy"].failures == 21
    assert {name: each.ended for name, each in by_name.items()} == {
        name: inside.filter(rule_id=each.rule.pk).count() for name, each in by_name.items()
    }
    assert by_name["Tag"].p50 is not None


@pytest.mark.django_db
def test_uptime_and_workers_are_shown(administrator_client: Client) -> None:
    busy_day()
    progress.swept()
    page = administrator_client.get("/automation/health/")
    assert page.context["figures"].uptime.up == 1
    assert "host:1" in page.content.decode()


@pytest.mark.django_db
def test_an_engine_that_never_ran_has_a_page(operations_client: Client) -> None:
    page = operations_client.get("/automation/health/?last=nonsense")
    assert page.status_code == 200
    assert "No run ended in this time" in page.content.decode()
    assert "No worker was seen" in page.content.decode()


@pytest.mark.django_db
def test_support_has_no_page_of_health(support_client: Client) -> None:
    assert support_client.get("/automation/health/").status_code == 403


@pytest.mark.django_db
def test_counting_that_is_behind_is_said(operations_client: Client) -> None:
    Measured.objects.update(upto=timezone.now() - timedelta(minutes=10))
    assert "counting is behind" in operations_client.get("/automation/health/").content.decode()


# --- the banner ---------------------------------------------------------------------------------


@pytest.fixture
def standing_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep was last seen five minutes ago, and this process has been here all the time."""
    monkeypatch.setattr(health, "STARTED", timezone.now() - timedelta(hours=1))
    Progress.objects.create(
        stage="sweep", worker="x", last_claim_at=timezone.now() - timedelta(minutes=5)
    )
    assert watchdog.diagnose()


@pytest.mark.django_db
@pytest.mark.usefixtures("standing_still")
def test_a_clock_that_stands_still_is_a_banner_on_home_for_those_who_tend_the_engine(
    operations_client: Client, administrator_client: Client
) -> None:
    for client in (operations_client, administrator_client):
        page = client.get("/").content.decode()
        assert "The clock of the rules was not seen since" in page
        assert "waits, retries and schedules stand still" in page
        assert 'role="alert"' in page
        part = client.get("/automation/_/standstill/").content.decode()
        assert "The clock of the rules was not seen since" in part


@pytest.mark.django_db
@pytest.mark.usefixtures("standing_still")
def test_others_have_no_banner_on_home_and_those_who_see_health_have_it_there(
    support_client: Client, finance_client: Client
) -> None:
    for client in (support_client, finance_client):
        assert "was not seen since" not in client.get("/").content.decode()
    part = "/automation/_/standstill/"
    assert "was not seen since" not in support_client.get(part).content.decode()
    assert "was not seen since" in finance_client.get(part).content.decode()
    assert "was not seen since" in finance_client.get("/automation/health/").content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("standing_still")
def test_the_rail_says_it_on_every_page(operations_client: Client, operations_user: User) -> None:
    count = health.stalled_count(operations_user)
    assert count is not None
    assert (count.number, count.alarm) == (1, True)
    assert "stalled" in operations_client.get("/_/rail/?path=/orders/").content.decode()


@pytest.mark.django_db
def test_the_banner_is_empty_while_all_moves(operations_client: Client) -> None:
    assert "role=" not in operations_client.get("/automation/_/standstill/").content.decode()
