"""Whether a webhook is genuine: each sender's way of signing, checked on the raw body.

Every secret that has not ended is tried, in constant time, so that a secret is rotated without a
delivery lost. Nothing of a body is believed before this.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

Headers = Mapping[str, str]
# More signatures than a rotation needs are an attempt to make us compute.
MOST_SIGNATURES = 8
LONGEST_HEADER = 2_048


class NotGenuine(Exception):
    """A delivery that nobody with the secret has signed; the message is for the log only."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a header says: the signatures, and the bytes that they are about."""

    digests: Sequence[bytes]
    message: bytes


@dataclass(frozen=True, slots=True)
class Way:
    """How a source signs, as it is checked."""

    header: str
    prefix: str
    id_at: str
    tolerance_seconds: int


@dataclass(frozen=True, slots=True)
class Scheme:
    """A sender's way of signing. `header`, `id_at` and `topic_at` are what it uses itself.

    `signs_id`: the id is under the signature wherever it stands. `is_free`: the header and what
    stands before the signature are for the administrator to say.
    """

    key: str
    label: str
    header: str
    id_at: str
    topic_at: str
    read: Callable[[Way, Headers, bytes, datetime], Signed]
    key_of: Callable[[str], bytes] = str.encode
    prefix: str = ""
    signs_id: bool = False
    is_free: bool = False


def meta(header: str) -> str:
    """A header's name as WSGI has it: `X-Topic` is `HTTP_X_TOPIC`."""
    return "HTTP_" + header.upper().replace("-", "_")


def _value(headers: Headers, header: str) -> str:
    value = headers.get(meta(header), "")
    if not value or len(value) > LONGEST_HEADER:
        raise NotGenuine(f"no {header}")
    return value


def _of_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise NotGenuine("a signature that is not hexadecimal") from None


def _of_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotGenuine("a signature that is not base64") from None


def _in_time(at: datetime, way: Way, now: datetime) -> None:
    if abs((now - at).total_seconds()) > way.tolerance_seconds:
        raise NotGenuine("a signed time that is too far from ours")


def _unix(text: str) -> datetime:
    if not text.isascii() or not text.isdecimal() or len(text) > 11:
        raise NotGenuine("a signed time that is none")
    return datetime.fromtimestamp(int(text), UTC)


def _plain(way: Way, headers: Headers, decode: Callable[[str], bytes]) -> bytes:
    value = _value(headers, way.header)
    if not value.startswith(way.prefix):
        raise NotGenuine(f"{way.header} without {way.prefix}")
    return decode(value.removeprefix(way.prefix))


def _hex(way: Way, headers: Headers, body: bytes, now: datetime) -> Signed:
    return Signed([_plain(way, headers, _of_hex)], body)


def _base64(way: Way, headers: Headers, body: bytes, now: datetime) -> Signed:
    return Signed([_plain(way, headers, _of_base64)], body)


def _stripe(way: Way, headers: Headers, body: bytes, now: datetime) -> Signed:
    """`t=…,v1=…,v1=…` over time, dot, body."""
    parts = [part.strip().partition("=") for part in _value(headers, way.header).split(",")]
    times = [value for name, _, value in parts if name == "t"]
    found = [value for name, _, value in parts if name == "v1"][:MOST_SIGNATURES]
    if len(times) != 1:
        raise NotGenuine("no one signed time")
    _in_time(_unix(times[0]), way, now)
    return Signed([_of_hex(each) for each in found], times[0].encode() + b"." + body)


def _standard(way: Way, headers: Headers, body: bytes, now: datetime) -> Signed:
    """Standard Webhooks: `v1,… v1,…` over id, dot, time, dot, body."""
    own_id, time = _value(headers, "webhook-id"), _value(headers, "webhook-timestamp")
    _in_time(_unix(time), way, now)
    parts = [part.partition(",") for part in _value(headers, way.header).split(" ")]
    found = [value for name, _, value in parts if name == "v1"][:MOST_SIGNATURES]
    message = f"{own_id}.{time}.".encode() + body
    return Signed([_of_base64(each) for each in found], message)


def _zendesk(way: Way, headers: Headers, body: bytes, now: datetime) -> Signed:
    """base64 over time and body, the time in ISO 8601."""
    time = _value(headers, f"{way.header}-Timestamp")
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise NotGenuine("a signed time that is none") from None
    if at.tzinfo is None:
        raise NotGenuine("a signed time without a zone")
    _in_time(at, way, now)
    return Signed([_plain(way, headers, _of_base64)], time.encode() + body)


def _standard_key(secret: str) -> bytes:
    """The bytes behind `whsec_…`, which is base64."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def _nfkd(secret: str) -> bytes:
    return unicodedata.normalize("NFKD", secret).encode()


SCHEMES: Mapping[str, Scheme] = {
    scheme.key: scheme
    for scheme in (
        Scheme(
            "shopify",
            "Shopify",
            "X-Shopify-Hmac-Sha256",
            "header:X-Shopify-Webhook-Id",
            "header:X-Shopify-Topic",
            _base64,
        ),
        Scheme(
            "woocommerce",
            "WooCommerce",
            "X-WC-Webhook-Signature",
            "header:X-WC-Webhook-Delivery-ID",
            "header:X-WC-Webhook-Topic",
            _base64,
        ),
        Scheme("stripe", "Stripe", "Stripe-Signature", "body:id", "body:type", _stripe),
        Scheme(
            "easypost",
            "EasyPost",
            "X-Hmac-Signature",
            "body:id",
            "body:description",
            _hex,
            key_of=_nfkd,
            prefix="hmac-sha256-hex=",
        ),
        Scheme(
            "zendesk",
            "Zendesk",
            "X-Zendesk-Webhook-Signature",
            "header:X-Zendesk-Webhook-Invocation-Id",
            "body:type",
            _zendesk,
        ),
        Scheme(
            "standard",
            "Standard Webhooks",
            "webhook-signature",
            "header:webhook-id",
            "body:type",
            _standard,
            key_of=_standard_key,
            signs_id=True,
        ),
        Scheme("hex", "HMAC-SHA256, hexadecimal", "X-Signature", "", "", _hex, is_free=True),
        Scheme("base64", "HMAC-SHA256, base64", "X-Signature", "", "", _base64, is_free=True),
    )
}


def is_id_signed(scheme: Scheme, id_at: str) -> bool:
    """Whether the signature covers the delivery's own id."""
    return scheme.signs_id or not id_at.startswith("header:")


def digest(scheme: Scheme, secret: str, message: bytes) -> bytes:
    """The signature of a message."""
    return hmac.new(scheme.key_of(secret), message, hashlib.sha256).digest()


def verify(
    scheme: Scheme,
    way: Way,
    secrets: Sequence[tuple[int, str]],
    headers: Headers,
    body: bytes,
    now: datetime,
) -> int:
    """The id of the secret that signed this; raises NotGenuine.

    `headers` are WSGI's. Every signature is held against every secret, whichever fits first.
    """
    signed = scheme.read(way, headers, body, now)
    found: int | None = None
    for secret_id, secret in secrets:
        ours = digest(scheme, secret, signed.message)
        for theirs in signed.digests:
            if hmac.compare_digest(ours, theirs) and found is None:
                found = secret_id
    if found is None:
        raise NotGenuine("a signature that fits no secret")
    return found
