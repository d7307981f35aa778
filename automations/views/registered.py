"""Where runs and cases show themselves outside their own screens."""

from __future__ import annotations

from automations.views import case_bulk, intake_lists, run_bulk
from automations.views.addresses import explained_subjects, pressed_subjects, why_name
from automations.views.buttons import button_name
from automations.views.case_home import (
    case_links,
    document_links,
    find_cases,
    find_runs,
    open_cases,
    rule_links,
    run_links,
)
from automations.views.connector_list import connectors_down
from backoffice import counts, home, links, panels, search


def _name_records() -> None:
    links.register("automations.run", run_links)
    links.register("automations.rule", rule_links)
    links.register("automations.document", document_links)
    links.register("automations.failure", case_links)


def register_runs_and_cases() -> None:
    """Called once when the app is ready, after the domains' triggers are known."""
    case_bulk.register_bulk_actions()
    run_bulk.register_bulk_actions()
    _name_records()
    counts.register("failure_list", open_cases)
    counts.register("connector_list", connectors_down)
    search.register("Cases", "automations.view_failure", find_cases)
    search.register("Runs", "automations.view_run", find_runs)
    working = ("operations", "support")
    watching = (*working, "administrator", "auditor")
    view = "automations.view_failure"
    home.register(home.HomePanel("Needs me", "failure_home_mine", view, 5, working))
    home.register(
        home.HomePanel("Broken: failures by cause", "failure_home_causes", view, 10, watching)
    )
    for label in explained_subjects():
        panels.register(
            panels.Panel(
                label,
                "What rules made of it",
                why_name(label),
                "automations.view_run",
                order=60,
                slot="main",
            )
        )
    for label in pressed_subjects():
        panels.register(
            panels.Panel(label, "Run a rule", button_name(label), "automations.view_run", order=5)
        )
    panels.register(
        panels.Panel(
            "backoffice.calendar",
            "Rules that keep to it",
            "calendar_rules",
            "automations.view_rule",
        )
    )


def register_webhooks() -> None:
    """Called once when the app is ready."""
    intake_lists.register_bulk_actions()
    counts.register("delivery_list", intake_lists.deliveries_held)
