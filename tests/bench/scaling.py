"""How the cost of matching grows with the number of rules, and throughput with stored history."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db import connection, transaction

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.fields import Kind
from automations.engine.in_force import moment
from automations.engine.match import match_batch
from automations.rules.canonical import canonical, content_hash, contracts_of
from automations.rules.parsing import parse_document
from automations.triggers import Trigger, triggers
from backoffice.models import User
from tests.bench import engine

# As the owner of the tables would put them in force: ten thousand approvals take their time.
RULE = """
INSERT INTO automations_rule (id, slug, name, purpose, domain, owner_id, fallback, trigger,
    position, minutes_saved, created_by_id, created_at, version)
VALUES (%(id)s, %(slug)s, %(slug)s, '', 'orders', %(user)s, 'None.', %(trigger)s, 100, 0, %(user)s,
    now(), 1)
"""
DOCUMENT = """
INSERT INTO automations_document (id, kind, key, version, rule_id, text, pins, sha256, risk, state,
    why, author_id, submitted_by_id, submitted_at)
VALUES (%(id)s, 'rule', %(slug)s, 1, %(id)s, %(text)s, %(pins)s, %(sha256)s, 'none', 'approved', '',
    %(user)s, %(user)s, now())
"""
ACTIVATION = """
INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at, activated_by_id)
VALUES (%(id)s, 'rule', %(slug)s, 'live', %(id)s, now(), %(user)s)
"""
EPOCH = """
UPDATE automations_epoch SET value = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
COPIES = """
INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
    recorded_at, payload_version, facts, lists, actor_kind, depth, history)
SELECT e.trigger, e.subject, e.subject_id, e.subject_version,
    e.occurred_at - n.n * interval '1 second', e.recorded_at, e.payload_version, e.facts, e.lists,
    e.actor_kind, 0, true
FROM (SELECT * FROM automations_event WHERE trigger = %s AND history ORDER BY id LIMIT 1000) e,
    generate_series(1, %s) AS n(n)
"""
FIRST = 100_000


def live_rules(owner_url: str, count: int, user: User, *, first: int = 0) -> None:
    """So many more rules in force over all triggers; 9 of 10 demand one value of a field.

    None of them matches the events of the measurement.
    """
    offered = [known for known in triggers if _text_field(known) and _money_field(known)]
    # That of the events comes first: few rules, too, have to look at them.
    offered.sort(key=lambda known: known.key != engine.TRIGGER)
    rows = [
        _row(number, offered[number % len(offered)], user) for number in range(first, first + count)
    ]
    with psycopg.connect(owner_url) as owner, owner.cursor() as cursor:
        for statement in (RULE, DOCUMENT, ACTIVATION):
            cursor.executemany(statement, rows)
        cursor.execute(EPOCH)


def _text_field(trigger: Trigger) -> str | None:
    fields = catalogue_for(trigger).fields.values()
    kinds = (Kind.COUNTRY, Kind.TEXT, Kind.CHOICE)
    found = [field.path for kind in kinds for field in fields if field.kind is kind]
    acting = any(action.subject == trigger.subject for action in actions)
    return found[0] if found and acting else None


def _money_field(trigger: Trigger) -> str | None:
    fields = catalogue_for(trigger).fields.values()
    return next((field.path for field in fields if field.kind is Kind.MONEY), None)


def _row(number: int, trigger: Trigger, user: User) -> dict[str, Any]:
    document = parse_document(
        {
            "schema": 1,
            "trigger": {"on": trigger.key},
            "when": {"all": [_clause(number, trigger)]},
            "steps": [{"uid": "a1", "do": _action(trigger), "with": {}}],
        }
    )
    text, contracts = canonical(document), contracts_of(document, triggers, actions)
    return {
        "id": FIRST + number,
        "slug": f"scale-{number}",
        "trigger": trigger.key,
        "text": text,
        "pins": [f"{name}={contracts[name]}" for name in sorted(contracts)],
        "sha256": content_hash(text, [], contracts),
        "user": user.pk,
    }


def _clause(number: int, trigger: Trigger) -> dict[str, Any]:
    path = str(_text_field(trigger))
    kind = catalogue_for(trigger).fields[path].kind
    if number % 10 == 0:
        amount = {"amount": f"{10_000_000 + number}.00", "currency": "GBP"}
        return {"field": str(_money_field(trigger)), "op": "gte", "value": amount}
    value = "ZZ" if kind is Kind.COUNTRY else f"nothing-{number}"
    return {"field": path, "op": "is", "value": value}


def _action(trigger: Trigger) -> str:
    return next(action.key for action in actions if action.subject == trigger.subject)


def microseconds_per_event(count: int) -> float:
    """What matching one event costs in this process, the rules loaded beforehand."""
    engine.store_events(count)
    with transaction.atomic():
        moment()
    started, taken = time.perf_counter(), 0
    while done := match_batch():
        taken += done
    return (time.perf_counter() - started) / max(taken, 1) * 1_000_000


def store_history(count: int) -> None:
    """So many more events of the past, as imports leave them."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for _ in range(max(1, count // 100_000)):
            cursor.execute(COPIES, [engine.TRIGGER, min(100, count // 1000)])
        cursor.execute("ANALYZE automations_event")
        cursor.execute("RESET statement_timeout")
