"""Rules as the check sees them, and sentences about what they make of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from automations.interactions.checking import check
from automations.interactions.findings import Finding
from automations.interactions.parties import Party
from automations.rules.parsing import parse_document
from automations.rules.validating import Registries, check_document

PLACED, PAID, TAGGED = "orders.order_placed", "orders.order_paid", "orders.order_tagged"
HELD, RELEASED, CANCELLED = (
    "orders.order_held",
    "orders.order_released",
    "orders.order_cancelled",
)
OPENED, LOW = "support.ticket_opened", "inventory.stock_low"

Json = dict[str, Any]


def gbp(amount: str) -> Json:
    return {"amount": amount, "currency": "GBP"}


def clause(path: str, op: str, value: Any = None) -> Json:
    return {"field": path, "op": op} | ({} if value is None else {"value": value})


def total(op: str, amount: Any) -> Json:
    return clause("order.total", op, gbp(amount) if isinstance(amount, str) else amount)


def country(op: str, value: Any) -> Json:
    return clause("order.country", op, value)


def tags(op: str, value: Any) -> Json:
    return clause("order.tags", op, value)


def do(key: str, **given: Any) -> Json:
    return {"do": key, "with": given}


def tag(name: Any) -> Json:
    return do("orders.add_tag", tag=name)


def untag(name: str) -> Json:
    return do("orders.remove_tag", tag=name)


def hold(reason: str, note: str = "") -> Json:
    return do("orders.hold_order", reason=reason, **({"note": note} if note else {}))


def release(reason: str = "") -> Json:
    return do("orders.release_order", **({"reason": reason} if reason else {}))


def cancel() -> Json:
    return do("orders.cancel_order", reason="unpaid")


def priority(name: str) -> Json:
    return do("support.set_priority", priority=name)


def refund() -> Json:
    return do("finance.request_refund", reason="goodwill")


def point(value: Any) -> Json:
    return do("inventory.set_reorder_point", point=value)


def wait(length: str, *ends: str) -> Json:
    return {"wait": length, "end_run_on": list(ends)}


def fork(test: Json, then: Sequence[Json], otherwise: Sequence[Json] = ()) -> Json:
    return {"if": test, "then": list(then), "else": list(otherwise)}


def every(cron: str = "0 8 * * *", of: str = "orders.order") -> Json:
    return {"every": cron, "zone": "Europe/London", "for": of}


def button(of: str = "orders.order") -> Json:
    return {"manual": of}


@dataclass
class R:
    """One rule: what starts it, what it asks (all of it), what it does in order."""

    on: str | Json
    when: Sequence[Json] = ()
    does: Sequence[Json] = field(default_factory=lambda: [tag("seen")])
    at: int = 100
    more: Json = field(default_factory=dict)

    def party(self, name: str, rule_id: int) -> Party:
        numbers = count(1)
        body = {
            "schema": 1,
            "trigger": {"on": self.on} if isinstance(self.on, str) else self.on,
            "when": {"all": list(self.when)},
            "steps": [_named(step, numbers) for step in self.does],
            **self.more,
        }
        document = parse_document(body)
        blocking = [each for each in check_document(document) if each.blocks]
        assert blocking == [], blocking
        source = Registries().source(document)
        assert source is not None
        return Party(rule_id, name, document, source, self.at)


def _named(step: Json, numbers: Any) -> Json:
    found = {"uid": f"s{next(numbers)}", **step}
    for inner in ("then", "else", "steps"):
        if inner in found:
            found[inner] = [_named(each, numbers) for each in found[inner]]
    return found


def findings(*rules: R) -> list[Finding]:
    """What the first rule makes of the others and of itself."""
    parties = [rule.party(f"Rule {number}", number) for number, rule in enumerate(rules, 1)]
    return check(parties[0], parties[1:])


def kinds(*rules: R) -> set[str]:
    """What kinds of things are found of the first rule."""
    return {str(found.kind) for found in findings(*rules)}
