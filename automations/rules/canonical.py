"""One text and one hash for a document, however it was written down."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from automations.actions import Action
from automations.conditions.values import parse_decimal
from automations.registry import Registry
from automations.rules.document import Do, RuleDocument, walk_steps
from automations.triggers import Scan, Source, Trigger, scans


def _plain(amount: str) -> str:
    try:
        number = parse_decimal(amount)
    except ValueError:
        return amount
    plain = format(number, "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_normal(part) for part in value]
    if isinstance(value, dict):
        if set(value) == {"amount", "currency"}:
            return {"amount": _plain(str(value["amount"])), "currency": value["currency"]}
        return {_normal(key): _normal(part) for key, part in value.items()}
    return value


def _dump(value: Any) -> str:
    return json.dumps(_normal(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def start_of(trigger: str) -> str:
    """What the canonical text of every document that starts on this trigger contains."""
    return f'"trigger":{_dump({"on": trigger})}'


def as_json(document: RuleDocument) -> dict[str, Any]:
    """The document as plain JSON: policies said even where they are the default, no nulls."""
    dumped = document.model_dump(by_alias=True, exclude_none=True, exclude={"limits"})
    dumped["limits"] = document.limits.model_dump(exclude_none=True)
    return {**_without_false_marks(dumped), "schema": document.schema_version}


def _without_false_marks(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_false_marks(part) for part in value]
    if isinstance(value, dict):
        return {
            key: _without_false_marks(part)
            for key, part in value.items()
            if not (key == "start_only" and part is False and "amount" not in value)
        }
    return value


def canonical(document: RuleDocument) -> str:
    """The document as one line of JSON: keys sorted, text in NFC, amounts without idle zeros.

    Equal documents have equal texts, and reading the text gives an equal document.
    """
    return _dump(as_json(document))


def contracts_of(
    document: RuleDocument,
    triggers: Registry[Trigger],
    actions: Registry[Action],
    scans: Registry[Scan] = scans,
) -> dict[str, int]:
    """The contract version of each trigger, scan and action a document uses; 0: there is none."""
    found: dict[str, int] = {}
    kind = "trigger" if document.trigger_key is not None else "scan"
    known: Source | None = (triggers if kind == "trigger" else scans).get(document.source_key)
    found[f"{kind} {document.source_key}"] = known.version if known else 0
    for _, step in walk_steps(document.steps):
        if isinstance(step, Do):
            action = actions.get(step.do)
            found[f"action {step.do}"] = action.version if action else 0
    return found


def content_hash(text: str, dependencies: Iterable[str], contracts: Mapping[str, int]) -> str:
    """SHA-256 in hex over what is signed: the canonical text and all it depends on.

    The hashed text is UTF-8, lines joined by a line feed: the canonical text (which holds no line
    feed), then each dependency's hash, sorted, then each contract as `name=version`, sorted, both
    by code point (COLLATE "C" in PostgreSQL).
    """
    lines = [text, *sorted(dependencies)]
    lines.extend(f"{name}={contracts[name]}" for name in sorted(contracts))
    return sha256("\n".join(lines).encode()).hexdigest()
