"""What the inbox brings before people: deliveries that can't be read as their mapping says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.dispatch import Signal

from automations.cases import CaseKind, NewCase, cases

deliveries_quarantined = Signal()  # held: Sequence[Held]
deliveries_settled = Signal()  # ids: Sequence[int]

DELIVERY = "automations.delivery"


@dataclass(frozen=True, slots=True)
class Held:
    """A delivery in quarantine. `lacks_value`: its mapping has no line for a value."""

    delivery_id: int
    source: str
    topic: str
    says: str
    cause: str
    lacks_value: bool


def _key(delivery_id: int) -> str:
    return f"{DELIVERY}:{delivery_id}"


class _OfDelivery(CaseKind):
    subject = DELIVERY
    signal = deliveries_quarantined
    closed_signals = (deliveries_settled,)
    closed_says = "The delivery was taken, or put away."
    fallback: str
    of_values: bool

    def cases(self, *, held: Sequence[Held], **sent: object) -> list[NewCase]:
        return [
            NewCase(
                key=_key(each.delivery_id),
                cause=f"{each.source}, {each.topic or 'no topic'}: {each.cause}"[:300],
                says=f"{each.says} No rule has seen it.",
                subject_id=each.delivery_id,
                fallback=self.fallback,
                detail={"source": each.source, "topic": each.topic},
            )
            for each in held
            if each.lacks_value is self.of_values
        ]

    def closed(self, *, ids: Sequence[int], **sent: object) -> list[str]:
        return [_key(pk) for pk in ids]


@cases.register
class Quarantined(_OfDelivery):
    """What can't be read at all, or lacks what it must have."""

    key = "intake.quarantined"
    label = "Webhook in quarantine"
    of_values = False
    fallback = (
        "Look at the delivery. Where the mapping is wrong, an administrator mends it and the "
        "delivery is read again; where the sender is, ask them to send it right and put it away."
    )


@cases.register
class LacksMapping(_OfDelivery):
    """A code that nobody has said the meaning of."""

    key = "intake.unmapped"
    label = "Value without a mapping"
    of_values = True
    fallback = (
        "Find out what the value means, have an administrator add it to the mapping of the "
        "source, and have the delivery read again."
    )
