"""One exchange: certificates, deadlines, and what nobody answers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from automations.connectors.targets import Target, TargetInvalid, read_url
from automations.connectors.transport import Limits, Lost, Transport, Unreachable
from tests.bed.listeners import Listener, StartTLS, resolves_to

PUBLIC = "93.184.215.14"


def call(target: Target) -> int:
    client = Transport(Limits(1.0, 2.0), 1)
    try:
        return client.exchange("POST", target, {}, b"{}").status
    finally:
        client.close()


def test_certificate_sni_and_host_speak_of_the_name_though_the_address_is_pinned(
    tls_server: StartTLS, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tls_server("api.example.com")
    resolves_to(monkeypatch, [PUBLIC])
    assert call(read_url("https://api.example.com/x")) == 204
    assert seen == ["api.example.com", "api.example.com"]
    assert listener.came == [(PUBLIC, 443)]


def test_a_certificate_of_another_name_ends_the_call_before_anything_is_sent(
    tls_server: StartTLS, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tls_server("evil.example.net")
    resolves_to(monkeypatch, [PUBLIC])
    with pytest.raises(Unreachable, match="certificate"):
        call(read_url("https://api.example.com/x"))
    assert seen == ["api.example.com"]


def test_an_unknown_authority_ends_the_call(
    tls_server: StartTLS, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    tls_server("api.example.com")
    settings.CONNECTORS_CA_FILE = ""
    resolves_to(monkeypatch, [PUBLIC])
    with pytest.raises(Unreachable, match="certificate"):
        call(read_url("https://api.example.com/x"))


def test_a_server_that_takes_the_connection_and_says_nothing_is_not_sent_to_over_tls(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves_to(monkeypatch, [PUBLIC])
    with pytest.raises(Unreachable):
        call(read_url("https://api.example.com/"))
    assert len(listener.came) == 1


def test_a_plain_server_that_hangs_after_the_request_is_lost(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = read_url(f"http://127.0.0.1:{server.getsockname()[1]}/")
        with pytest.raises(Lost, match="in time"):
            call(target)
        settings.CONNECTORS_ALLOW_LOOPBACK = False
        with pytest.raises(TargetInvalid):
            read_url(target.url)
        with pytest.raises(Unreachable):
            call(target)
