"""What support refuses, each with a sentence that an operator can act on."""

from backoffice.versions import StaleVersion


class SupportError(Exception):
    """Refused; nothing was written. The message says why and what to do."""


class QueueClosed(SupportError):
    """The queue is closed or does not exist."""


class QueueNeeded(SupportError):
    """The queue can't close: tickets that name no queue come here."""


class StaleTicket(SupportError, StaleVersion):
    """The ticket changed since it was shown; a screen answers 409."""


class TicketClosed(SupportError):
    """The ticket is closed for good, or not in a state that allows this."""


class AssigneeInactive(SupportError):
    """The assignee can't work on tickets."""


class EmptyMessage(SupportError):
    """A message without text."""


class NoConsentNeeded(SupportError):
    """Mail that serves an order rests on the order."""
