"""Addresses of runs, cases, and of what records' pages show of rules."""

from collections.abc import Callable
from functools import partial

from django.http import HttpResponse
from django.urls import URLPattern, path, register_converter

from automations.triggers import scans, triggers
from automations.views import (
    case_answers,
    case_care,
    case_file,
    case_home,
    connector_acts,
    connectors,
    failures,
    intake,
    intake_routes,
    rule_tests,
    run_acts,
    runs,
    scopes,
    staging,
    verdicts,
)
from automations.views.buttons import button_name, buttons_panel, press_dialog, press_name
from automations.views.connector_list import CALLS, CONNECTORS
from automations.views.failure_list import FAILURES
from automations.views.intake_lists import INBOX, SOURCES
from automations.views.run_list import RUNS
from backoffice.workbench.pages import urls


def why_name(label: str) -> str:
    """The name of the address that explains a kind of subject: `why_orders_order`."""
    return f"why_{label.replace('.', '_')}"


def explained_subjects() -> list[str]:
    """The kinds of record that some trigger tells of, or schedules and buttons go to."""
    return sorted({known.subject for known in (*triggers, *scans)})


def pressed_subjects() -> list[str]:
    """The kinds of record that rules can have a button on."""
    return sorted({scan.subject for scan in scans})


INTAKE = [
    *urls(INBOX, "intake/"),
    path("intake/<int:pk>/", intake.delivery_detail, name="delivery_detail"),
    path("intake/<int:pk>/_/replay/", intake.delivery_replay, name="delivery_replay"),
    path("intake/<int:pk>/_/drop/", intake.delivery_drop, name="delivery_drop"),
    *urls(SOURCES, "intake/sources/"),
    path("intake/sources/_/new/", intake.source_new, name="source_new"),
    path("intake/sources/<slug:key>/", intake.source_detail, name="source_detail"),
    path("intake/sources/<slug:key>/_/change/", intake.source_change, name="source_change"),
    path("intake/sources/<slug:key>/_/switch/", intake.source_switch, name="source_switch"),
    path("intake/sources/<slug:key>/_/secret/", intake.source_secret, name="source_secret"),
    path(
        "intake/sources/<slug:key>/_/secret/<int:pk>/end/",
        intake.source_secret_end,
        name="source_secret_end",
    ),
    path("intake/sources/<slug:key>/_/topic/", intake.source_topic, name="source_topic"),
    path(
        "intake/sources/<slug:key>/feeds/<str:feed>/", intake_routes.route_edit, name="route_edit"
    ),
    path(
        "intake/sources/<slug:key>/_/topic/<int:pk>/remove/",
        intake_routes.route_remove,
        name="route_remove",
    ),
]
OUTSIDE = [
    *INTAKE,
    *urls(CONNECTORS, "connectors/"),
    *urls(CALLS, "connectors/calls/"),
    path("connectors/calls/<int:pk>/", connectors.call_detail, name="call_detail"),
    path("connectors/_/new/", connector_acts.connector_new, name="connector_new"),
    path("connectors/<slug:key>/", connectors.connector_detail, name="connector_detail"),
    path("connectors/<slug:key>/scope/", scopes.scope_edit, name="scope_edit"),
    path("connectors/<slug:key>/_/tighten/", scopes.scope_tighten, name="scope_tighten"),
    path(
        "connectors/<slug:key>/_/describe/",
        connector_acts.connector_describe,
        name="connector_describe",
    ),
    path("connectors/<slug:key>/_/secret/", connector_acts.secret_new, name="secret_new"),
    path(
        "connectors/<slug:key>/_/secret/<int:pk>/retire/",
        connector_acts.secret_retire,
        name="secret_retire",
    ),
    path("connectors/<slug:key>/_/staging/", staging.connector_staging, name="connector_staging"),
    path(
        "connectors/<slug:key>/_/staging/end/",
        staging.connector_staging_end,
        name="connector_staging_end",
    ),
    path("connectors/<slug:key>/_/stop/", connector_acts.connector_stop, name="connector_stop"),
    path("connectors/<slug:key>/_/start/", connector_acts.connector_start, name="connector_start"),
    path(
        "connectors/<slug:key>/_/run/<int:pk>/by-hand/",
        connector_acts.parked_by_hand,
        name="parked_by_hand",
    ),
]


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
    path("failures/of/<str:name>/<int:pk>/", failures.failure_of, name="failure_of"),
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
    path("failures/<int:pk>/_/check/", verdicts.doubt_check, name="doubt_check"),
    path("failures/<int:pk>/_/happened/", verdicts.doubt_happened, name="doubt_happened"),
    path("failures/<int:pk>/_/did-not/", verdicts.doubt_did_not, name="doubt_did_not"),
    _case("assign", case_care.failure_assign),
    _case("take", case_care.failure_take),
    _case("hand-over", case_care.failure_hand_over),
    _case("watch", case_care.failure_watch),
    _case("change-rule", rule_tests.failure_change_rule),
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
    *(
        path(
            f"runs/_/buttons/{label}/<int:pk>/",
            partial(buttons_panel, label=label),
            name=button_name(label),
        )
        for label in pressed_subjects()
    ),
    *(
        path(
            f"runs/_/buttons/{label}/<int:pk>/<slug:slug>/",
            partial(press_dialog, label=label),
            name=press_name(label),
        )
        for label in pressed_subjects()
    ),
]
