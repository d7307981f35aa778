"""Addresses of runs and cases."""

from collections.abc import Callable
from functools import partial

from django.http import HttpResponse
from django.urls import URLPattern, path, register_converter

from automations.triggers import triggers
from automations.views import (
    case_answers,
    case_care,
    case_file,
    case_home,
    failures,
    run_acts,
    runs,
)
from automations.views.failure_list import FAILURES
from automations.views.run_list import RUNS
from backoffice.workbench.pages import urls


def why_name(label: str) -> str:
    """The name of the address that explains a kind of subject: `why_orders_order`."""
    return f"why_{label.replace('.', '_')}"


def explained_subjects() -> list[str]:
    """The kinds of record that some trigger tells of."""
    return sorted({trigger.subject for trigger in triggers})


class RunId:
    """A run's id; that of a shadow is negative."""

    regex = "-?[0-9]{1,19}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


register_converter(RunId, "run")


def _case(verb: str, view: Callable[..., HttpResponse]) -> URLPattern:
    return path(f"failures/<int:pk>/_/{verb}/", view, name=f"failure_{verb.replace('-', '_')}")


RUNS_AND_CASES = [
    *urls(FAILURES, "failures/"),
    path("failures/_/home/causes/", case_home.causes_home, name="failure_home_causes"),
    path("failures/_/home/mine/", case_home.mine_home, name="failure_home_mine"),
    path("failures/<int:pk>/", failures.failure_detail, name="failure_detail"),
    path("failures/<int:pk>/_/case/", failures.failure_part, name="failure_part"),
    path("failures/by-hand/", case_file.by_hand_file, name="failure_file"),
    path("failures/by-hand/job/", case_file.by_hand_job, name="failure_file_job"),
    _case("retry", failures.failure_retry),
    _case("edit", failures.failure_edit),
    _case("skip", failures.failure_skip),
    _case("by-hand", failures.failure_by_hand),
    _case("end", failures.failure_end),
    _case("solve", failures.failure_solve),
    _case("yes", case_answers.failure_yes),
    _case("no", case_answers.failure_no),
    _case("confirm", case_answers.failure_confirm),
    _case("correct", case_answers.failure_correct),
    _case("release", case_answers.failure_release),
    _case("cancel", case_answers.failure_cancel),
    _case("stop", case_answers.failure_stop),
    _case("assign", case_care.failure_assign),
    _case("take", case_care.failure_take),
    _case("hand-over", case_care.failure_hand_over),
    _case("watch", case_care.failure_watch),
    _case("snooze", case_care.failure_snooze),
    _case("wake", case_care.failure_wake),
    _case("priority", case_care.failure_priority),
    _case("comment", case_care.failure_comment),
    *urls(RUNS, "runs/"),
    path("runs/<run:pk>/", runs.run_detail, name="run_detail"),
    path("runs/<run:pk>/_/undo/", run_acts.run_undo, name="run_undo"),
    path("runs/<run:pk>/_/end/", run_acts.run_end, name="run_end"),
    path("runs/<run:pk>/_/try/", run_acts.run_try, name="run_try"),
    *(
        path(
            f"runs/_/why/{label}/<int:pk>/",
            partial(runs.why_panel, label=label),
            name=why_name(label),
        )
        for label in explained_subjects()
    ),
]
