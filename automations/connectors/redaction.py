"""What a log may keep of a request or an answer: named values only, and never a secret."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, quote_plus

# Longer bodies are not taken apart for a log.
MOST_BYTES = 65_536
LONGEST = 200
HIDDEN = "•••"
# A shorter secret would hide parts of harmless words.
SHORTEST = 6
# JSON can write half a sign and the sign of no sign, which no text of PostgreSQL holds.
_NO_SIGN = re.compile("[\0\ud800-\udfff]")


def _spellings(secret: str) -> set[str]:
    """A secret as other sides give it back: quoted, in base64, inside JSON."""
    found = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    plain = secret.encode()
    for coded in (base64.b64encode(plain), base64.urlsafe_b64encode(plain)):
        found.add(coded.decode().rstrip("="))
    return found


def without(text: str, secrets: Iterable[str]) -> str:
    """A text in which no secret is left."""
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        for spelling in sorted(_spellings(secret), key=len, reverse=True):
            text = text.replace(spelling, HIDDEN)
    return text


def pick(body: Any, path: str) -> Any:
    """The value at a path (`data.0.id`) of parsed JSON; None where there is none."""
    return pick_parts(body, path.split("."))


def pick_parts(body: Any, parts: Sequence[str]) -> Any:
    """The same at a path that was taken apart already."""
    for part in parts:
        if isinstance(body, dict):
            body = body.get(part)
        elif isinstance(body, list) and part.isdecimal():
            body = body[int(part)] if int(part) < len(body) else None
        else:
            return None
    return body


def parsed(body: bytes | None) -> Any:
    """A body as JSON that can be kept; None when it is none, or too long to look into."""
    if not body or len(body) > MOST_BYTES:
        return None
    try:
        content = json.loads(body, parse_constant=_nothing)
        return _whole(content) if b"\\u" in body else content
    except (ValueError, RecursionError):
        return None


def _nothing(name: str) -> None:
    """What stands for NaN and for the infinite, which are no numbers of JSON."""


def _whole(value: Any) -> Any:
    """The same with a mark where a text has something that is no sign."""
    if isinstance(value, str):
        return _NO_SIGN.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(name): _whole(inner) for name, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value


def excerpt(body: bytes | None, keep: Sequence[str], secrets: Iterable[str]) -> dict[str, Any]:
    """Size, and the scalars at the paths that may be kept, shortened and without secrets."""
    found: dict[str, Any] = {"bytes": len(body or b"")}
    content, hidden = parsed(body) if keep else None, list(secrets)
    for path in keep if content is not None else ():
        value = pick(content, path)
        if isinstance(value, str):
            found[path] = without(value, hidden)[:LONGEST]
        elif isinstance(value, bool | int | float):
            found[path] = value if without(str(value), hidden) == str(value) else HIDDEN
    return found
