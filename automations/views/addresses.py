"""Addresses of runs, cases, and of what records' pages show of rules."""

from functools import partial

from django.urls import path

from automations.triggers import scans, triggers
from automations.views import (
    case_home,
    connector_acts,
    connectors,
    failures,
    runs,
    scopes,
    verdicts,
)
from automations.views.buttons import button_name, buttons_panel, press_dialog, press_name
from automations.views.connector_list import CALLS, CONNECTORS
from automations.views.failure_list import FAILURES
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


OUTSIDE = [
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
    path("connectors/<slug:key>/_/stop/", connector_acts.connector_stop, name="connector_stop"),
    path("connectors/<slug:key>/_/start/", connector_acts.connector_start, name="connector_start"),
    path(
        "connectors/<slug:key>/_/run/<int:pk>/by-hand/",
        connector_acts.parked_by_hand,
        name="parked_by_hand",
    ),
]
RUNS_AND_CASES = [
    *urls(FAILURES, "failures/"),
    path("failures/_/home/causes/", case_home.causes_home, name="failure_home_causes"),
    path("failures/_/home/mine/", case_home.mine_home, name="failure_home_mine"),
    path("failures/<int:pk>/", failures.failure_detail, name="failure_detail"),
    path("failures/<int:pk>/_/case/", failures.failure_part, name="failure_part"),
    path("failures/<int:pk>/_/retry/", failures.failure_retry, name="failure_retry"),
    path("failures/<int:pk>/_/edit/", failures.failure_edit, name="failure_edit"),
    path("failures/<int:pk>/_/skip/", failures.failure_skip, name="failure_skip"),
    path("failures/<int:pk>/_/by-hand/", failures.failure_by_hand, name="failure_by_hand"),
    path("failures/<int:pk>/_/end/", failures.failure_end, name="failure_end"),
    path("failures/<int:pk>/_/check/", verdicts.doubt_check, name="doubt_check"),
    path("failures/<int:pk>/_/happened/", verdicts.doubt_happened, name="doubt_happened"),
    path("failures/<int:pk>/_/did-not/", verdicts.doubt_did_not, name="doubt_did_not"),
    path("failures/<int:pk>/_/solve/", failures.failure_solve, name="failure_solve"),
    path("failures/<int:pk>/_/assign/", failures.failure_assign, name="failure_assign"),
    path("failures/<int:pk>/_/take/", failures.failure_take, name="failure_take"),
    path("failures/<int:pk>/_/snooze/", failures.failure_snooze, name="failure_snooze"),
    path("failures/<int:pk>/_/wake/", failures.failure_wake, name="failure_wake"),
    path("failures/<int:pk>/_/comment/", failures.failure_comment, name="failure_comment"),
    *urls(RUNS, "runs/"),
    path("runs/<int:pk>/", runs.run_detail, name="run_detail"),
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
