"""Each sender's way of signing, by published vectors and by forgeries."""

from __future__ import annotations

import base64
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

from automations.intake.signatures import SCHEMES, NotGenuine, Way, digest, meta, verify
from tests.intake import factories as hooks

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
BODY = b'{"foo": "bar"}'


def way(scheme: str, tolerance: int = 300) -> Way:
    known = SCHEMES[scheme]
    return Way(known.header, known.prefix, known.id_at, tolerance)


def check(
    scheme: str,
    headers: dict[str, str],
    body: bytes,
    *secrets: str,
    now: datetime = NOW,
) -> int:
    given = {meta(name): value for name, value in headers.items()}
    known = list(enumerate(secrets or (hooks.SECRET,), 1))
    return verify(SCHEMES[scheme], way(scheme), known, given, body, now)


def test_the_vector_that_shopify_publishes_is_genuine() -> None:
    header = {"X-Shopify-Hmac-Sha256": "B23tXN681gZ0qIWNRrgtzBE9XSDo5yaUu6wfmhu3a7g="}
    assert check("shopify", header, BODY, "test_secret_key") == 1


def test_the_vector_that_easypost_publishes_is_genuine() -> None:
    body = json.dumps(hooks.payload("easypost-event-body"), separators=(",", ":")).encode()
    mac = "38f3f53c103713df81616a0a186d77141957323ec21d5fe9363db93840f527db"
    header = {"X-Hmac-Signature": f"hmac-sha256-hex={mac}"}
    assert check("easypost", header, body, "sécret") == 1
    with pytest.raises(NotGenuine):
        check("easypost", {"X-Hmac-Signature": mac}, body, "sécret")


@pytest.mark.parametrize("scheme", ["shopify", "woocommerce", "stripe", "easypost", "standard"])
def test_whichever_secret_has_not_ended_is_accepted_and_no_other(scheme: str) -> None:
    headers = hooks.signed(BODY, scheme, secret="the-old-secret-of-ours", at=int(NOW.timestamp()))
    assert check(scheme, headers, BODY, "the-new-secret-of-ours", "the-old-secret-of-ours") == 2
    with pytest.raises(NotGenuine):
        check(scheme, headers, BODY, "the-new-secret-of-ours")
    with pytest.raises(NotGenuine):
        check(scheme, {}, BODY)


@pytest.mark.parametrize("scheme", ["stripe", "standard"])
@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signed_time_that_is_too_far_from_ours_is_refused(scheme: str, seconds: int) -> None:
    at = int(NOW.timestamp())
    headers = hooks.signed(BODY, scheme, at=at)
    assert check(scheme, headers, BODY, now=NOW + timedelta(seconds=299)) == 1
    with pytest.raises(NotGenuine, match="too far"):
        check(scheme, headers, BODY, now=NOW + timedelta(seconds=seconds))


def test_one_of_several_signatures_is_enough_as_a_sender_rotates_too() -> None:
    at = int(NOW.timestamp())
    headers = hooks.signed(BODY, "standard", at=at)
    other = base64.b64encode(bytes(32)).decode()
    headers["webhook-signature"] = f"v1,{other} v1a,xyz {headers['webhook-signature']}"
    assert check("standard", headers, BODY) == 1
    stripe = hooks.signed(BODY, "stripe", at=at)
    time, _, mac = stripe["Stripe-Signature"].partition(",")
    assert check("stripe", {"Stripe-Signature": f"{time},v0=aa,v1={'0' * 64},{mac}"}, BODY) == 1


def test_zendesk_signs_its_time_with_the_body() -> None:
    time = NOW.isoformat()
    mac = base64.b64encode(digest(SCHEMES["zendesk"], hooks.SECRET, time.encode() + BODY)).decode()
    name = "X-Zendesk-Webhook-Signature"
    assert check("zendesk", {name: mac, f"{name}-Timestamp": time}, BODY) == 1
    late = (NOW + timedelta(seconds=1)).isoformat()
    with pytest.raises(NotGenuine):
        check("zendesk", {name: mac, f"{name}-Timestamp": late}, BODY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "v1,",
        "v1,!!!",
        "t=,v1=",
        "t=1,t=2,v1=00",
        "é",
        "v1,AAAA" * 400,
        "t=99999999999,v1=",
    ],
)
@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_whatever_stands_in_the_header_breaks_nothing(scheme: str, value: str) -> None:
    headers = hooks.signed(BODY, "standard", at=int(NOW.timestamp()))
    headers[SCHEMES[scheme].header] = value
    with pytest.raises(NotGenuine):
        check(scheme, headers, BODY)


@pytest.mark.requirement("R21")
def test_of_ten_thousand_changed_messages_none_is_taken_for_genuine() -> None:
    chance = random.Random(21)
    at = int(NOW.timestamp())
    schemes = ["shopify", "stripe", "easypost", "standard"]
    genuine = {name: hooks.signed(BODY, name, at=at) for name in schemes}
    for number in range(10_000):
        scheme = schemes[number % len(schemes)]
        headers, body = dict(genuine[scheme]), bytearray(BODY)
        if number % 3:
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(7)
        else:
            name = SCHEMES[scheme].header
            letters = list(headers[name])
            place = chance.randrange(len(letters) - 40, len(letters) - 2)
            letters[place] = "0" if letters[place] != "0" else "1"
            headers[name] = "".join(letters)
        with pytest.raises(NotGenuine):
            check(scheme, headers, bytes(body))
