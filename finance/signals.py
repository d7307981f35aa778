"""Facts that finance announces. Each also sends `actor` (Acting) and `history` (imported)."""

from django.dispatch import Signal

entries_posted = Signal()  # entries: list[JournalEntry]
payments_received = Signal()  # payments: list[Payment]
refunds_requested = Signal()  # refunds: list[RefundRequest]
refunds_approved = Signal()  # refunds: list[RefundRequest]
refunds_rejected = Signal()  # refunds: list[RefundRequest]
refunds_withdrawn = Signal()  # refunds: list[RefundRequest]
