"""Addresses of rules, approvals, runs, cases and connectors."""

from django.urls import path

from automations.tables import APPROVALS, RULES
from automations.views import (
    approvals,
    backtests,
    builder,
    dossiers,
    health,
    home,
    library,
    meetings,
    preview,
    reviews,
    rule_files,
    rules,
    shadows,
    stopping,
    version_undo,
)
from automations.views.addresses import OUTSIDE, RUNS_AND_CASES
from automations.views.inventory import INVENTORY
from automations.views.schedule_parts import calendar_rules
from backoffice.workbench.pages import urls

urlpatterns = [
    *RUNS_AND_CASES,
    *OUTSIDE,
    path("automation/health/", health.engine_health, name="engine_health"),
    path("automation/_/standstill/", health.standstill_part, name="standstill"),
    *urls(RULES, "rules/"),
    path("rules/_/calendar/<int:pk>/", calendar_rules, name="calendar_rules"),
    path("rules/_/new/", rules.rule_new, name="rule_new"),
    path("rules/_/home/", home.rules_home, name="rule_home"),
    path("rules/_/stop/", stopping.rule_stop, name="rules_stop"),
    path("rules/_/start/", stopping.rule_start, name="rules_start"),
    path("rules/templates/", library.template_list, name="template_list"),
    path("rules/templates/<slug:key>/use/", library.template_use, name="template_use"),
    path("rules/stop/", stopping.stop_page, name="stop_page"),
    *urls(INVENTORY, "rules/inventory/"),
    path("rules/_/reviews/", reviews.review_home, name="review_home"),
    path("rules/review/", reviews.walk, name="rule_review"),
    path("rules/review/<slug:slug>/", reviews.review_rule, name="review_rule"),
    path(
        "rules/review/<slug:slug>/_/<slug:verdict>/", reviews.review_verdict, name="review_verdict"
    ),
    path("rules/import/", rule_files.rules_import, name="rules_import"),
    path("rules/export/", rule_files.rules_export, name="rules_export"),
    path("rules/<slug:slug>/evidence/<slug:form>/", dossiers.rule_evidence, name="rule_evidence"),
    path("rules/<slug:slug>/export/", rule_files.rule_export, name="rule_export"),
    path("rules/<slug:slug>/", rules.rule_detail, name="rule_detail"),
    path("rules/<slug:slug>/edit/", builder.rule_edit, name="rule_edit"),
    path("rules/<slug:slug>/edit/_/save/", builder.rule_save, name="rule_save"),
    path("rules/<slug:slug>/edit/_/take/", builder.rule_take, name="rule_take"),
    path("rules/<slug:slug>/edit/_/care/", builder.rule_care, name="rule_care"),
    path("rules/<slug:slug>/edit/_/actions/", builder.rule_actions, name="rule_actions"),
    path("rules/<slug:slug>/edit/_/preview/", preview.rule_preview, name="rule_preview"),
    path("rules/<slug:slug>/edit/_/words/", preview.rule_words, name="rule_words"),
    path("rules/<slug:slug>/edit/_/meets/", meetings.rule_meets, name="rule_meets"),
    path("rules/<slug:slug>/edit/_/try/", preview.rule_try, name="rule_try"),
    path("rules/<slug:slug>/edit/_/backtest/", backtests.draft_backtest, name="draft_backtest"),
    path(
        "rules/<slug:slug>/backtests/<int:pk>/", backtests.backtest_detail, name="backtest_detail"
    ),
    path("rules/<slug:slug>/backtests/<int:pk>/_/", backtests.backtest_part, name="backtest_part"),
    path(
        "rules/<slug:slug>/backtests/<int:pk>/cancel/",
        backtests.backtest_cancel,
        name="backtest_cancel",
    ),
    path("rules/<slug:slug>/submit/", builder.rule_submit, name="rule_submit"),
    path("rules/<slug:slug>/diff/<int:one>..<int:two>/", rules.rule_diff, name="rule_diff"),
    path("rules/<slug:slug>/restore/<int:version>/", rules.rule_restore, name="rule_restore"),
    path("rules/<slug:slug>/undo/<int:version>/", version_undo.version_undo, name="version_undo"),
    path("rules/<slug:slug>/shadow/", shadows.rule_shadow, name="rule_shadow"),
    path("rules/<slug:slug>/shadow/end/", shadows.shadow_end, name="shadow_end"),
    path("rules/<slug:slug>/shadow/<int:version>/", shadows.shadow_begin, name="shadow_begin"),
    path("rules/<slug:slug>/stop/", stopping.rule_stop, name="rule_stop"),
    path("rules/<slug:slug>/start/", stopping.rule_start, name="rule_start"),
    *urls(APPROVALS, "approvals/"),
    path("approvals/_/home/", home.approvals_home, name="approval_home"),
    path("approvals/<int:pk>/", approvals.approval_detail, name="approval_detail"),
    path("approvals/<int:pk>/_/evidence/", approvals.approval_evidence, name="approval_evidence"),
    path("approvals/<int:pk>/_/meets/", meetings.approval_meets, name="approval_meets"),
    path("approvals/<int:pk>/_/evidence/count/", approvals.evidence_count, name="evidence_count"),
    path("approvals/<int:pk>/<slug:verdict>/", approvals.approval_verdict, name="approval_verdict"),
]
