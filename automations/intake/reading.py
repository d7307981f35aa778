"""A body as JSON that can be trusted to be small and unambiguous, and the values inside it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from automations.connectors.redaction import pick

# Deeper nesting is no message, and would cost us.
DEEPEST = 32
NULL = "\0"


class Unreadable(Exception):
    """A body that is no JSON object we can take; the message says why."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Unreadable("It has the same name twice in one object.")
    return found


def _no_constant(name: str) -> Any:
    raise Unreadable(f"It has {name}, which is no number in JSON.")


def parse(body: bytes) -> Any:
    """A body as JSON, its fractions as Decimal; raises Unreadable."""
    try:
        content = json.loads(
            body, object_pairs_hook=_once, parse_float=Decimal, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise Unreadable("It is no JSON.") from None
    if not isinstance(content, dict):
        raise Unreadable("It is no JSON object.")
    _not_too_deep(content)
    _whole_signs(body, content)
    return content


def _whole_signs(body: bytes, content: Any) -> None:
    """JSON can write half a sign (`\\ud800`), which PostgreSQL and no text can hold."""
    if b"\\u" in body:
        text = json.dumps(content, ensure_ascii=False, default=str)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Unreadable("It has half a sign in a text.") from None


def _not_too_deep(content: Any) -> None:
    level = [content]
    for _ in range(DEEPEST):
        level = [
            child
            for value in level
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Unreadable(f"It is nested more than {DEEPEST} deep.")


def text_at(content: Any, path: str, longest: int) -> str:
    """A short text or number at a path (`data.0.id`); empty when there is none."""
    value = pick(content, path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value)
    return text if len(text) <= longest and NULL not in text else ""


SHOWN = 60
SHORT = 40
ITEMS = 3
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
# What stands under these names is a code, a figure or a time, and nobody's name or address.
TELLS = frozenset(
    [
        "id",
        "type",
        "topic",
        "event",
        "kind",
        "status",
        "state",
        "code",
        "sku",
        "currency",
        "amount",
        "total",
        "subtotal",
        "price",
        "tax",
        "quantity",
        "count",
        "units",
        "number",
        "reference",
        "tracking",
        "carrier",
        "country",
        "at",
        "created",
        "updated",
        "date",
        "time",
        "livemode",
        "test",
        "version",
        "object",
        "mode",
        "reason",
        "result",
        "weight",
    ]
)
HIDES = frozenset(
    [
        "name",
        "email",
        "mail",
        "phone",
        "mobile",
        "address",
        "street",
        "line",
        "city",
        "zip",
        "post",
        "postal",
        "postcode",
        "ip",
        "note",
        "message",
        "text",
        "body",
        "token",
        "secret",
        "password",
        "key",
        "birth",
        "iban",
        "account",
        "card",
        "last",
        "lat",
        "lng",
        "latitude",
        "longitude",
        "title",
        "url",
        "link",
        "signature",
        "description",
    ]
)


def is_shown(name: str) -> bool:
    """Whether what stands under this name may be shown: a code, a figure or a time."""
    words = {word.lower() for word in _WORDS.findall(name)}
    return bool(words & TELLS) and not words & HIDES


def outline(value: Any, name: str = "", depth: int = 0) -> Any:
    """A body for eyes: all its names, and the values that can't be about a person."""
    if isinstance(value, dict):
        shown = list(value.items())[:SHOWN] if depth < DEEPEST else []
        return {str(key): outline(child, str(key), depth + 1) for key, child in shown}
    if isinstance(value, list):
        some = [outline(child, name, depth + 1) for child in value[:ITEMS]]
        return [*some, f"… {len(value) - ITEMS} more"] if len(value) > ITEMS else some
    if value is None or isinstance(value, bool):
        return value
    if is_shown(name) and len(str(value)) <= SHORT:
        return str(value) if isinstance(value, Decimal) else value
    return f"text of {len(value)}" if isinstance(value, str) else "a number"
