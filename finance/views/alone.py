"""What a person is told before and after they ask for money back."""

from __future__ import annotations

from backoffice.actors import person
from backoffice.models import User
from finance.models.refunds import Refund
from finance.services.small_refunds import left_alone, pay_if_small


def who_decides(user: User, currency: str) -> str:
    """Who will decide on what is asked for now, in a sentence."""
    most = left_alone(user, currency)
    if most is None:
        return "Someone else, of finance, approves it."
    return f"Up to {most} goes back at once; over that, someone else, of finance, approves it."


def word_of(user: User, currency: str) -> str:
    """The word of the button that asks."""
    return "Ask finance" if left_alone(user, currency) is None else "Refund"


def paid_or_waits(refund: Refund, user: User) -> str:
    """Pay it back at once where the person may alone, and say what has become of it."""
    if pay_if_small(refund, actor=person(user)):
        return f"{refund} of {refund.money} goes back"
    return f"{refund} of {refund.money} waits for finance"
