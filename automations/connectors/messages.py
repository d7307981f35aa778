"""Messages to staff channels through incoming webhooks: Slack and Microsoft Teams.

The address itself is the secret, so it is stored as one and its path is never shown. Neither side
knows our reference: what broke off after sending is in doubt, and a person looks into the channel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from automations.actions import ConnectorDown
from automations.connectors.http import judge
from automations.connectors.kinds import Account, Answer, Connector, SecretName, Trace, kinds
from automations.connectors.redaction import excerpt
from automations.connectors.scope import Scope
from automations.connectors.targets import Target, TargetInvalid, read_url

URL = "url"


class _Webhook(Connector):
    """Posts a text to an address that is a secret."""

    secrets = (SecretName(URL, "Webhook address", "The whole address as the other side shows it."),)
    usual_hosts: ClassVar[tuple[str, ...]] = ()

    def payload(self, text: str) -> dict[str, Any]:
        raise NotImplementedError

    def problems(self, scope: Scope) -> Iterator[tuple[str, str]]:
        if not scope.hosts:
            yield "hosts", "Name the hosts that the webhook address may lead to."
        for host in scope.hosts:
            try:
                read_url(_host_url(host))
            except TargetInvalid as error:
                yield "hosts", f"{host}: {error}"

    def check_secret(self, name: str, value: str, scope: Scope | None) -> str:
        try:
            target = read_url(value)
        except TargetInvalid as error:
            return str(error)
        if scope is not None and _place(target) not in scope.hosts:
            return f"{_place(target)} is not among the hosts of the scope."
        return ""

    def foretell(self, account: Account, asked: Mapping[str, Any], trace: Trace) -> None:
        trace.method, trace.path = "POST", "/•••"
        trace.host = ", ".join(account.scope.hosts)[:255]
        body = json.dumps(self.payload(str(asked["text"]))).encode()
        trace.request = excerpt(body, account.scope.keep, trace.hidden)

    def call(
        self,
        account: Account,
        asked: Mapping[str, Any],
        effect: str,
        trace: Trace,
        gate: Callable[[], None],
    ) -> Answer:
        try:
            target = read_url(account.use(URL, trace))
        except KeyError as error:
            raise ConnectorDown(f"{account.name} has no webhook address: store one.") from error
        except TargetInvalid as error:
            raise ConnectorDown(f"{account.name} has no usable webhook address.") from error
        if _place(target) not in account.scope.hosts:
            raise ConnectorDown(f"The webhook address of {account.name} leads out of its scope.")
        body = json.dumps(self.payload(str(asked["text"])), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        reply = account.exchange(trace, "POST", target, headers, body, gate, shown_path="/•••")
        judge(account, reply, trace, repeats=False)
        return Answer(f"Posted to {account.name}.")


def _place(target: Target) -> str:
    """What a scope lists: the host, with its port where that is not the usual one."""
    return target.origin.partition("://")[2]


def _host_url(host: str) -> str:
    return f"http://{host}" if host.startswith("127.0.0.1") else f"https://{host}"


_FIELDS: Mapping[str, Any] = {
    "hosts": [],
    "per_minute": 30,
    "burst": 5,
    "cap": 2,
    "connect_seconds": 3,
    "total_seconds": 10,
}


@kinds.register
class Slack(_Webhook):
    """An incoming webhook of Slack."""

    key = "automations.slack"
    label = "Slack channel"
    about = "Messages to one channel of Slack, through an incoming webhook."
    fields: ClassVar[Mapping[str, Any]] = {**_FIELDS, "hosts": ["hooks.slack.com"]}

    def payload(self, text: str) -> dict[str, Any]:
        # Slack reads <!channel> and links in its own marks; a customer's words must not make any.
        for sign, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, written)
        return {"text": text}


@kinds.register
class Teams(_Webhook):
    """An incoming webhook of Microsoft Teams, as its workflows make them."""

    key = "automations.teams"
    label = "Teams channel"
    about = "Messages to one channel of Microsoft Teams, through a workflow's webhook."
    fields: ClassVar[Mapping[str, Any]] = _FIELDS

    def payload(self, text: str) -> dict[str, Any]:
        words = {"type": "TextBlock", "text": text, "wrap": True}
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [words],
        }
        kind = "application/vnd.microsoft.card.adaptive"
        return {"type": "message", "attachments": [{"contentType": kind, "content": card}]}
