"""Facts that support announces. Each also sends `actor` (Acting) and `history` (imported)."""

from django.dispatch import Signal

tickets_opened = Signal()  # tickets: list[Ticket]
messages_received = Signal()  # messages: list[Message], from customers, with their tickets
tickets_assigned = Signal()  # tickets: list[Ticket]
tickets_solved = Signal()  # tickets: list[Ticket]
tickets_reopened = Signal()  # tickets: list[Ticket]
queues_closed = Signal()  # queues: list[Queue]
# consents: list[ConsentEvent] that say no, said just now; `actor` by customer id
consents_withdrawn = Signal()
mails_failed = Signal()  # mails: list[OutgoingMail] that will not be sent again
