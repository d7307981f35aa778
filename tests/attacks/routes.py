"""Every address there is, what it asks for, and a record of each kind to ask it about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from backoffice.workbench.bench import Workbench
from tests.attacks.selling import SELLING

# Anyone who is signed in; what these show is cut to what the person may see.
EVERYBODY = ""
# Asked by the record: its owner, the subject's own permission, the list's.
OWN = "own"
OPEN = "open"  # without signing in

# Who may see a record may see its buttons.
SUBJECTS = {
    "backoffice.legalentity": "backoffice.view_legalentity",
    "depot.parcel": "depot.view_parcel",
    "finance.payment": "finance.view_payment",
    "finance.refund": "finance.view_refund",
    "inventory.sku": "inventory.view_sku",
    "orders.cart": "orders.view_cart",
    "orders.claim": "orders.view_claim",
    "orders.customer": "orders.view_customer",
    "orders.exchange": "orders.view_exchange",
    "orders.order": "orders.view_order",
    "orders.promotion": "orders.view_promotion",
    "orders.returnorder": "orders.view_returnorder",
    "support.ticket": "support.view_ticket",
}

# One line for each address that is not a list's. A new address fails the test until it stands here.
PERMISSIONS = {
    **SELLING,
    "home": EVERYBODY,
    "rail_counts": EVERYBODY,
    "rail_fold": EVERYBODY,
    "search": EVERYBODY,
    "palette": EVERYBODY,
    "login": OPEN,
    "logout": EVERYBODY,
    "unsubscribe": OPEN,  # the link in a mail, signed
    "me": EVERYBODY,
    "me_password": EVERYBODY,
    "me_deputy": EVERYBODY,
    "deputy_decide": OWN,  # the two of them end it, others agree
    "me_theme": EVERYBODY,
    "me_density": EVERYBODY,
    "job_detail": OWN,
    "job_progress": OWN,
    "job_outcomes": OWN,
    "job_start": OWN,
    "job_cancel": OWN,
    "view_new": OWN,
    "view_edit": OWN,
    "view_delete": OWN,
    "timeline": "orders.view_order",
    "note_add": "backoffice.add_note",
    "notices_read": "backoffice.view_notice",
    "notice_home": "backoffice.view_notice",
    "notice_open": "backoffice.view_notice",
    "user_new": "backoffice.add_user",
    "user_deputy": "backoffice.change_user",
    "user_hand_over": "backoffice.change_user",
    "user_detail": "backoffice.view_user",
    "user_role": "backoffice.change_user",
    "user_grant": "backoffice.decide_rolegrant",
    "user_access": "backoffice.change_user",
    "company_detail": "backoffice.view_legalentity",
    "caughtmail_detail": "backoffice.view_caughtmail",
    "calendar_new": "backoffice.add_calendar",
    "calendar_detail": "backoffice.view_calendar",
    **dict.fromkeys(
        ["calendar_days", "calendar_week", "calendar_holidays", "calendar_clear"],
        "backoffice.change_calendar",
    ),
    "sku_home_low": "inventory.view_sku",
    "sku_detail": "inventory.view_sku",
    "sku_receive": "inventory.receive_stock",
    "sku_write_off": "inventory.write_off_stock",
    "sku_adjust": "inventory.adjust_stock",
    "sku_customs": "inventory.change_sku",
    "sku_reorder_point": "inventory.set_reorder_point",
    "failure_home_causes": "automations.view_failure",
    "failure_home_mine": "automations.view_failure",
    "failure_detail": "automations.view_failure",
    "failure_of": "automations.view_failure",
    "failure_part": "automations.view_failure",
    **dict.fromkeys(
        [
            "failure_file",
            "failure_file_job",
            "failure_retry",
            "failure_edit",
            "failure_skip",
            "failure_by_hand",
            "failure_end",
            "failure_solve",
            "failure_assign",
            "failure_take",
            "failure_snooze",
            "failure_wake",
            "failure_comment",
            "failure_yes",  # by the question's role, where it names one
            "failure_no",
            "failure_confirm",
            "failure_correct",
            "failure_release",
            "failure_cancel",
            "failure_hand_over",
            "failure_priority",
            "run_end",
        ],
        "automations.work_failure",
    ),
    **dict.fromkeys(["doubt_check", "doubt_happened", "doubt_did_not"], "automations.work_failure"),
    "connector_detail": "automations.view_connectoraccount",
    "call_detail": "automations.view_calllog",
    "connector_new": "automations.add_connectoraccount",
    "connector_describe": "automations.change_connectoraccount",
    "scope_edit": "automations.submit_scope",
    "scope_tighten": "automations.tighten_scope",
    "secret_new": "automations.add_secret",
    "secret_retire": "automations.change_secret",
    "connector_staging": "automations.mark_staging",
    "connector_staging_end": "automations.mark_staging",
    "connector_stop": "automations.stop_rule",
    "connector_start": "automations.stop_rule",
    "parked_by_hand": "automations.work_failure",
    "delivery_detail": "automations.view_delivery",
    "delivery_replay": "automations.replay_delivery",
    "delivery_drop": "automations.replay_delivery",
    "source_detail": "automations.view_intakesource",
    "source_new": "automations.add_intakesource",
    "source_change": "automations.change_intakesource",
    "source_switch": "automations.change_intakesource",
    "source_secret": "automations.add_intakesecret",
    "source_secret_end": "automations.change_intakesecret",
    "source_topic": "automations.add_intakeroute",
    "route_edit": "automations.change_intakeroute",
    "route_remove": "automations.delete_intakeroute",
    "failure_stop": "automations.stop_rule",
    "failure_watch": "automations.view_failure",
    "run_detail": "automations.view_run",
    "run_undo": "automations.undo_run",
    "run_try": "automations.view_rule",
    "version_undo": "automations.undo_run",
    **dict.fromkeys(
        [f"why_{label.replace('.', '_')}" for label in ("automations.delivery", *SUBJECTS)],
        "automations.view_run",
    ),
    "why_depot_parcel": "depot.view_parcel",  # of the tests' own domain, which no role sees
    **{f"buttons_{label.replace('.', '_')}": permission for label, permission in SUBJECTS.items()},
    # By the record, and then by whom the rule lets press it.
    **{f"press_{label.replace('.', '_')}": OWN for label in SUBJECTS},
    "calendar_rules": "automations.view_rule",
    "engine_health": "automations.view_health",
    "standstill": EVERYBODY,  # the engine at rest is for each to know
    "stop_page": "automations.view_rule",
    "template_list": "automations.add_rule",
    "template_use": "automations.add_rule",
    "rule_shadow": "automations.view_rule",
    "backtest_detail": "automations.view_rule",
    "backtest_part": "automations.view_rule",
    "backtest_cancel": OWN,  # whoever may submit or approve a version
    "evidence_count": OWN,  # the same
    "draft_backtest": "automations.change_draft",
    "shadow_begin": OWN,  # whoever may submit or approve a version
    "shadow_end": OWN,
    "rule_home": "automations.view_rule",
    "rule_tune": OWN,  # the rule's owner
    "rule_detail": "automations.view_rule",
    "rule_diff": "automations.view_rule",
    "rule_promote": "automations.view_rule",
    "rule_export": "automations.view_rule",
    "rule_evidence": "backoffice.view_auditentry",
    "rules_export": "automations.view_rule",
    "rules_import": "automations.add_rule",
    "rule_review": "automations.view_rule",
    "review_rule": "automations.view_rule",
    "review_verdict": OWN,  # whoever changes, approves or stops rules
    "review_home": "automations.approve_document",
    "rule_new": "automations.add_rule",
    "rules_stop": "automations.stop_rule",
    "rules_start": "automations.stop_rule",
    "rule_stop": "automations.stop_rule",
    "rule_owner": "automations.approve_document",
    "rule_start": "automations.stop_rule",
    **dict.fromkeys(
        [
            "rule_edit",
            "rule_save",
            "rule_take",
            "rule_care",
            "rule_actions",
            "rule_preview",
            "rule_words",
            "rule_meets",
            "rule_try",
            "rule_restore",
        ],
        "automations.change_draft",
    ),
    "rule_cases": "automations.change_draft",
    "rule_cases_clear": "automations.change_draft",
    "rule_test": "automations.view_rule",
    "failure_change_rule": "automations.change_draft",
    "approval_cases": "automations.view_document",
    "rule_submit": "automations.submit_rule",
    "approval_home": "automations.approve_document",
    "emergency_ask": "automations.use_emergency",
    "emergency_agree": "automations.use_emergency",
    "emergency_end": "automations.use_emergency",
    "emergency_review": "automations.approve_document",
    "approval_withdraw": "automations.submit_rule",
    "approval_policy": "automations.view_approvalpolicy",
    "approval_policy_change": "automations.change_approvalpolicy",
    "approval_policy_answer": "automations.change_approvalpolicy",
    "approval_detail": "automations.view_document",
    "approval_evidence": "automations.view_document",
    "approval_existing": "automations.approve_document",
    "approval_meets": "automations.view_document",
    "approval_verdict": "automations.approve_document",
    "order_home_at_risk": "orders.view_order",
    "order_home_held": "orders.view_order",
    "order_home_to_ship": "orders.view_order",
    "order_detail": "orders.view_order",
    "order_hold": "orders.hold_order",
    "order_release": "orders.release_order",
    "order_tag": "orders.tag_order",
    "order_untag": "orders.tag_order",
    "order_cancel": "orders.cancel_order",
    "order_ship": "orders.ship_order",
    "order_address": "orders.change_order",
    "order_pick": "orders.pick_order",
    "order_unpick": "orders.pick_order",
    "order_allocate": "orders.route_order",
    "order_route": "orders.route_order",
    "order_promise": "orders.route_order",
    "order_market": "orders.change_order",
    "conflict_decide": "orders.decide_conflict",
    "order_delivery": "orders.change_order",
    "order_pick_list": "orders.view_order",
    "order_slip": "orders.view_order",
    "package_slip": "orders.view_package",
    "parcel_file": "orders.pack_order",
    "parcel_file_job": "orders.pack_order",
    "parcel_file_sample": "orders.pack_order",
    **dict.fromkeys(
        [
            "package_new",
            "package_label",
            "package_void",
            "package_leave",
            "package_unpack",
            "package_track",
            "package_insure",
            "order_service",
            "package_uninsured",
        ],
        "orders.pack_order",
    ),
    "package_agree": "orders.agree_uninsured",
    "carrier_detail": "orders.view_carrierservice",
    "carrier_new": "orders.add_carrierservice",
    "carrier_edit": "orders.change_carrierservice",
    "rate_new": "orders.add_exchangerate",
    "customer_detail": "orders.view_customer",
    "customer_credit": "orders.change_creditaccount",
    "review_detail": "orders.view_review",
    "review_pass": "orders.decide_review",
    "review_refuse": "orders.decide_review",
    "review_accept": "orders.decide_review",
    "order_screen": "orders.decide_review",
    "order_fraud": "orders.decide_review",
    "order_block": "orders.edit_blocklist",
    "credit_approve": "orders.approve_credit",
    "credit_decline": "orders.approve_credit",
    "signal_detail": "orders.view_risksignal",
    "signal_new": "orders.add_risksignal",
    "signal_edit": "orders.change_risksignal",
    "signal_looser": "orders.change_risksignal",
    "block_detail": "orders.view_blockentry",
    "block_new": "orders.edit_blocklist",
    "block_end": "orders.edit_blocklist",
    "customer_edit": "orders.change_customer",
    "customer_tag": "orders.tag_customer",
    "customer_untag": "orders.tag_customer",
    "customer_duplicates": "orders.view_customer",
    "customer_merge": "orders.merge_customer",
    "customer_apart": "orders.merge_customer",
    "merge_undo": "orders.merge_customer",
    "customer_money": "finance.view_payment",
    "customer_tickets": "support.view_ticket",
    "customer_consents": "support.view_ticket",
    "consent_new": "support.record_consent",
    "customer_write": "support.write_customer",
    "customer_erase": "orders.erase_customer",
    "segment_new": "orders.add_segment",
    "segment_detail": "orders.view_segment",
    "segment_edit": "orders.change_segment",
    "segment_remove": "orders.delete_segment",
    "return_request": "orders.add_returnorder",
    "return_detail": "orders.view_returnorder",
    "return_receive": "orders.change_returnorder",
    "return_inspect": "orders.change_returnorder",
    "return_refuse": "orders.change_returnorder",
    "order_figures": "orders.view_order",
    "order_baseline": "orders.take_baseline",
    "claim_detail": "orders.view_claim",
    "claim_new": "orders.add_claim",
    "claim_reship": "orders.decide_claim",
    "claim_refuse": "orders.decide_claim",
    "claim_money": "finance.view_refund",
    "refund_claim": "finance.request_refund",
    "exchange_money": "finance.view_refund",
    "exchange_detail": "orders.view_exchange",
    "exchange_new": "orders.add_exchange",
    "return_new": "orders.add_returnorder",
    "return_authorise": "orders.change_returnorder",
    "return_way": "orders.change_returnorder",
    "return_match": "orders.change_returnorder",
    "entry_detail": "finance.view_journalentry",
    "trial_balance_page": "finance.view_journalentry",
    "payment_detail": "finance.view_payment",
    "payment_record": "finance.record_payment",
    "order_money": "finance.view_payment",
    "refund_home_waiting": "finance.view_refund",
    "refund_detail": "finance.view_refund",
    "refund_request": "finance.request_refund",
    "refund_by_line": "finance.request_refund",
    "refund_return": "finance.request_refund",
    "return_money": "finance.view_refund",
    "refund_withdraw": "finance.request_refund",
    "refund_approve": "finance.approve_refund",
    "refund_reject": "finance.approve_refund",
    "refund_limits": "finance.view_refundlimit",
    "refund_limit_change": "finance.change_refundlimit",
    "refund_limit_answer": "finance.change_refundlimit",
    "order_tickets": "support.view_ticket",
    "ticket_home_mine": "support.view_ticket",
    "ticket_home_nobody": "support.view_ticket",
    "ticket_new": "support.add_ticket",
    "ticket_detail": "support.view_ticket",
    "ticket_reply": "support.answer_ticket",
    "ticket_note": "support.answer_ticket",
    "ticket_assign": "support.assign_ticket",
    "ticket_priority": "support.change_ticket",
    "ticket_move": "support.assign_ticket",
    "ticket_solve": "support.solve_ticket",
    "queue_detail": "support.view_queue",
    "queue_close": "support.close_queue",
}


@dataclass(frozen=True, slots=True)
class Route:
    """An address: its name, its converters' names in order, and the list it belongs to."""

    name: str
    arguments: tuple[str, ...]
    bench: Workbench[Any] | None = None

    @property
    def permission(self) -> str | None:
        """What it asks for; None for an address that nobody has thought of."""
        if self.bench is not None:
            return self.bench.permission
        return PERMISSIONS.get(self.name)

    def url(self, records: dict[str, dict[str, Any]]) -> str:
        """The address about the records of its family (`order_hold`: those of `order`)."""
        families = [records.get(self.name, {}), records.get(self.name.partition("_")[0], {})]
        known = {**records["all"], **families[1], **families[0]}
        return reverse(self.name, args=[known[name] for name in self.arguments])


def routes() -> list[Route]:
    """Every address of the product."""
    return list(_walk(get_resolver()))


def _walk(resolver: URLResolver) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern)
        elif isinstance(pattern, URLPattern):
            names = tuple(re.findall(r"<\w+:(\w+)>", str(pattern.pattern)))
            view = pattern.callback
            bench = view.keywords.get("bench") if isinstance(view, partial) else None
            yield Route(pattern.name or str(pattern.pattern), names, bench)
