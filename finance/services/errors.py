"""What finance refuses, each with a sentence that an operator can act on."""

from backoffice.versions import StaleVersion


class FinanceError(Exception):
    """Refused; nothing was written. The message says why and what to do."""


class NotBalanced(FinanceError):
    """Debits and credits differ in a currency."""


class NotRounded(FinanceError):
    """An amount has more digits than its currency."""


class BooksNotOpen(FinanceError):
    """The legal entity has no account for what is being posted."""


class AlreadyReversed(FinanceError):
    """The entry is reversed, or is a reversal itself."""


class WrongCurrency(FinanceError):
    """The amount is in another currency than the order."""


class PaymentConflict(FinanceError):
    """The provider's reference is known, with another order or amount."""


class RefundTooLarge(FinanceError):
    """More would be refunded than was paid."""


class RefundChanged(FinanceError, StaleVersion):
    """The refund request is no longer the one that was shown; a screen answers 409."""


class RefundClosed(FinanceError):
    """The refund request is decided already."""


class NotAuthorised(FinanceError):
    """Nobody has let the goods of this refund come back."""


class SamePerson(FinanceError):
    """Who asked for money can't be who releases it."""
