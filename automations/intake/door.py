"""Where webhooks arrive: checked, stored and committed before anyone says "received".

No session, no person, no rule: what a delivery means is found out later, from the inbox.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from psycopg_pool import PoolTimeout

from automations.intake import signatures, sources
from automations.intake.reading import Unreadable, parse, text_at
from automations.intake.signatures import NotGenuine
from automations.intake.storing import Arrival, store

logger = logging.getLogger(__name__)

PREFIX = "/hooks/"
MOST_BYTES = 1_048_576
LONGEST_ID = 200
LONGEST_TOPIC = 120


def address(key: str) -> str:
    """The path that a source sends to."""
    return f"{PREFIX}{key}/"


def _says(status: int, words: str, **headers: str) -> HttpResponse:
    content = f"{words}\n".encode()
    response = HttpResponse(content, status=status, content_type="text/plain")
    response["Content-Length"] = str(len(content))
    for name, value in headers.items():
        response[name.replace("_", "-")] = value
    return response


def _refused_before_reading(request: HttpRequest) -> HttpResponse | None:
    if request.method != "POST":
        return _says(405, "Send it with POST.", Allow="POST")
    kind = str(request.META.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and "+json" in kind):
        return _says(415, "Send JSON.")
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if length > MOST_BYTES:
        return _says(413, "Send at most 1 MiB.")
    return _says(411, "Say how long it is.") if length <= 0 else None


def receive(request: HttpRequest, key: str) -> tuple[HttpResponse, bool]:
    """The answer to one webhook, and whether it stored something new.

    401: nobody with the secret has signed it, and nothing is stored. 503: it could not be
    committed, so the sender has to send it again.
    """
    refused = _refused_before_reading(request)
    if refused is not None:
        return refused, False
    try:
        body = request.read(MOST_BYTES + 1)
        return _stored(request, key, body)
    except (RequestDataTooBig, UnreadablePostError):
        return _says(400, "It could not be read."), False
    except (OperationalError, InterfaceError, PoolTimeout):
        logger.exception("A delivery to %s could not be stored", key)
        return _says(503, "Send it again later.", Retry_After="30"), False


def _stored(request: HttpRequest, key: str, body: bytes) -> tuple[HttpResponse, bool]:
    now = datetime.now(UTC)
    source = sources.live(key)
    try:
        if source is None:
            raise NotGenuine("no such source is open")
        secret_id = signatures.verify(
            source.scheme, source.way, source.accepted(now), request.META, body, now
        )
    except NotGenuine as error:
        logger.warning("A delivery to %s was refused: %s", key[:60], error)
        return _says(401, "The signature does not fit."), False
    digest = hashlib.sha256(body).hexdigest()
    own_id, topic = _named(source, request, body)
    signed = signatures.is_id_signed(source.scheme, source.way.id_at)
    name = own_id or f"sha256:{digest}"
    fresh = store(Arrival(source.id, name, topic, body, digest, signed, secret_id))
    return _says(200, "Received."), fresh


def _named(source: sources.Live, request: HttpRequest, body: bytes) -> tuple[str, str]:
    """A delivery's own id and topic; empty where it says none."""
    wanted = ((source.way.id_at, LONGEST_ID), (source.topic_at, LONGEST_TOPIC))
    content = None
    if any(where.startswith("body:") for where, _ in wanted):
        try:
            content = parse(body)
        except Unreadable:
            content = None
    found = []
    for where, longest in wanted:
        kind, _, name = where.partition(":")
        if kind == "header":
            value = str(request.META.get(signatures.meta(name), ""))
            found.append(value if len(value) <= longest else "")
        else:
            found.append(text_at(content, name, longest))
    return found[0], found[1]
