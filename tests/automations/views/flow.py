"""Steps of rule documents, as the builder keeps them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def tag(uid: str, words: str = "vip") -> Json:
    return {"uid": uid, "do": "orders.add_tag", "with": {"tag": words}}


def branch(uid: str, *then: Json, otherwise: tuple[Json, ...] = ()) -> Json:
    clause = {"field": "order.country", "op": "is", "value": "GB", "uid": f"c{uid}"}
    test = {"all": [clause], "uid": f"g{uid}"}
    return {"uid": uid, "if": test, "then": list(then), "else": list(otherwise)}


def loop(uid: str, *steps: Json) -> Json:
    return {"uid": uid, "for_each": "order.lines", "steps": list(steps)}


def body_of(*steps: Json, **more: Any) -> Json:
    return {
        "schema": 1,
        "trigger": {"on": "orders.order_placed"},
        "when": {"all": [], "uid": "root"},
        "steps": list(steps),
        **more,
    }
