"""What whoever ships for us must be able to be told, where a connector reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orders.queries.forwarding import ForwardRow
from orders.services.errors import OrderError


class ForwarderDown(OrderError):
    """They could not be told: it is tried again, and looked up before."""


@dataclass(frozen=True, slots=True)
class ForwardRequest:
    """One parcel to ship. `reference` is ours and the same at every try."""

    reference: str
    rows: tuple[ForwardRow, ...]


class ForwardingPort(Protocol):
    """One forwarder. Both may be asked twice for one reference, and answer alike."""

    def knows(self, reference: str) -> bool:
        """Whether they were told of this reference; raises ForwarderDown."""

    def send(self, request: ForwardRequest) -> None:
        """Tell them; raises ForwarderDown."""


# By the key that a forwarder names. A connector adds its own when the site starts; without one
# staff take the file, tell them, and mark what they told.
PORTS: dict[str, ForwardingPort] = {}


def port(key: str) -> ForwardingPort:
    """The connector of this key; raises ForwarderDown when none offers it."""
    found = PORTS.get(key)
    if found is None:
        raise ForwarderDown("The connector of this forwarder is not set up.")
    return found
