"""The engine's conditions as the language of segments, over customers as schedules see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from automations.queries import saved_conditions
from orders.queries import segments
from orders.services.errors import BadSegment

_CUSTOMERS = "orders.customer"
Answer = TypeVar("Answer")


def _asked(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except saved_conditions.Unjudged as error:
        raise BadSegment(str(error), tuple(error.problems)) from error


class RuleLanguage:
    """Segments say what a rule's conditions say."""

    def choosable(self) -> Sequence[segments.Choosable]:
        return saved_conditions.choosable(_CUSTOMERS)

    def operand(self, path: str, op: str, text: str, currency: str) -> Any:
        return saved_conditions.operand(_CUSTOMERS, path, op, text, currency)

    def refuse_unfit(self, condition: Any) -> None:
        _asked(lambda: saved_conditions.refuse_unfit(_CUSTOMERS, condition))

    def in_words(self, condition: Any) -> str:
        return _asked(lambda: saved_conditions.in_words(_CUSTOMERS, condition))

    def matching(self, condition: Any, now: datetime) -> Iterator[int]:
        found = saved_conditions.matching(_CUSTOMERS, condition, now)
        return iter(_asked(lambda: list(found)))


segments.speak(RuleLanguage())
