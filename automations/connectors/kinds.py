"""What speaks to a kind of outside system, and the registry of these. An app's own kinds stand in
its `connectors` package, which is discovered at start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from automations.connectors.redaction import excerpt
from automations.connectors.scope import Scope
from automations.connectors.targets import Target
from automations.connectors.transport import Limits, Reply, Transport, Unreachable
from automations.registry import Registry


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret that a kind of connector needs."""

    name: str
    label: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A secret in hand: its row, so that each use can be told, and its value."""

    id: int
    value: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The other side did it. `reference` is what it calls what it made; `kept` the values that the
    scope lets us keep."""

    says: str
    reference: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)
    # It was not asked at all: this is a sandbox.
    caught: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What the other side knows by our reference. `there` None: it can't be told."""

    there: bool | None
    says: str
    reference: str = ""
    caught: bool = False


@dataclass(slots=True)
class Trace:
    """One call as the log keeps it: filled in while it happens."""

    method: str = ""
    host: str = ""
    path: str = ""
    status: int | None = None
    sent: bool = False
    began: float = field(default_factory=time.monotonic)
    took_ms: int = 0
    request: dict[str, Any] | None = None
    response: dict[str, Any] | None = None
    secret_id: int | None = None
    # What must not show in any excerpt: the secrets, and what was made of them.
    hidden: set[str] = field(default_factory=set, repr=False)

    def end(self) -> None:
        self.took_ms = round((time.monotonic() - self.began) * 1000)


@dataclass(frozen=True, slots=True)
class Account:
    """An account in force: its approved scope and its live secrets, by name."""

    id: int
    key: str
    name: str
    prefix: str
    scope: Scope
    connector: Connector
    secrets: Mapping[str, Opened]
    transport: Transport
    # This is a sandbox and nobody marked it as staging: it must reach nobody.
    caught: bool

    def reference(self, effect: str) -> str:
        """What the other side knows an effect by: the same for every attempt at it."""
        return f"{self.prefix}-{effect}"

    def use(self, name: str, trace: Trace) -> str:
        """A secret's value, its use noted; raises KeyError when there is none."""
        known = self.secrets[name]
        trace.secret_id = known.id
        trace.hidden.add(known.value)
        return known.value

    def exchange(
        self,
        trace: Trace,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        body: bytes | None,
        gate: Callable[[], None],
        *,
        shown_path: str | None = None,
    ) -> Reply:
        """One HTTP exchange, traced; `shown_path` stands in the log where the path is a secret.

        Raises Unreachable and Lost, and what the gate raises.
        """
        if self.caught:
            raise Unreachable("It is not marked as staging, and this is a sandbox.")
        trace.method, trace.host = method, target.host
        trace.path = target.path if shown_path is None else shown_path
        trace.hidden |= {known.value for known in self.secrets.values()}
        trace.request = excerpt(body, self.scope.keep, trace.hidden)

        def passing() -> None:
            gate()
            trace.sent = True

        reply = self.transport.exchange(method, target, headers, body, passing)
        trace.status = reply.status
        trace.response = excerpt(reply.body, self.scope.keep, trace.hidden)
        return reply


class Connector:
    """A kind of outside system. `fields` are those of a scope that it uses, with what a new scope
    begins with; `secrets` are what it needs."""

    key: ClassVar[str]
    label: ClassVar[str]
    about: ClassVar[str]
    fields: ClassVar[Mapping[str, Any]]
    secrets: ClassVar[tuple[SecretName, ...]] = ()
    # Raised when what a scope of this kind allows would mean something else.
    version: ClassVar[int] = 1
    # All it does is hand mail to the post (backoffice.post), where a sandbox catches it.
    mails: ClassVar[bool] = False

    def problems(self, scope: Scope) -> Iterator[tuple[str, str]]:
        """What is wrong with a scope of this kind: a field and a sentence each."""
        yield from ()

    def secret_names(self, scope: Scope) -> tuple[SecretName, ...]:
        """The secrets that a scope makes necessary."""
        return self.secrets

    def check_secret(self, name: str, value: str, scope: Scope | None) -> str:
        """Why a secret can't be the right one; empty when nothing speaks against it."""
        return ""

    def call(
        self,
        account: Account,
        asked: Mapping[str, Any],
        effect: str,
        trace: Trace,
        gate: Callable[[], None],
    ) -> Answer:
        """Do what an action asked for, once.

        `gate` has to be asked right before the first byte leaves. Raises an Outcome, Unreachable or
        Lost when it is not done, or not known to be.
        """
        raise NotImplementedError

    def foretell(self, account: Account, asked: Mapping[str, Any], trace: Trace) -> None:
        """Write down what `call` would send, as far as that is known without a secret.

        Nothing is opened or sent. Raises an Outcome for what would be refused before it is sent.
        """

    def repeats(self, asked: Mapping[str, Any]) -> bool:
        """Whether what was asked has no effect over there, so that it may be asked again."""
        return False

    def can_look_up(self, scope: Scope) -> bool:
        """Whether the other side can be asked for what it knows by our reference."""
        return False

    def look_up(
        self, account: Account, effect: str, trace: Trace, gate: Callable[[], None]
    ) -> Found:
        """Ask whether an effect happened. Raises as `call` does when there is no answer."""
        raise NotImplementedError

    def can_probe(self, scope: Scope) -> bool:
        """Whether it can be asked how it is without doing anything."""
        return False

    def probe(self, account: Account, trace: Trace, gate: Callable[[], None]) -> None:
        """Ask how it is; raises as `call` does when it is not well."""
        raise NotImplementedError


kinds: Registry[Connector] = Registry(Connector)


def limits_of(scope: Scope) -> Limits:
    return Limits(
        float(scope.connect_seconds),
        float(scope.total_seconds),
        scope.request_kb * 1024,
        scope.response_kb * 1024,
    )
