"""Queues, tickets and their messages. PostgreSQL keeps what must hold (see 0002_guards)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Cast, Concat, Now
from simple_history.models import HistoricalRecords

from backoffice.models import ACTOR_KINDS
from orders.models.customers import Customer
from orders.models.orders import Order


class Queue(models.Model):
    """Where tickets wait for a team. A closed queue takes no new ones."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80, unique=True)
    description = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField("open", default=True)
    # Tickets that name no queue come here.
    is_default = models.BooleanField("default", default=False)
    history = HistoricalRecords()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="queue_one_default"
            ),
            # Without an open default a ticket would have nowhere to go.
            models.CheckConstraint(
                condition=Q(is_active=True) | Q(is_default=False), name="queue_default_is_open"
            ),
        ]
        permissions = [("close_queue", "Can close and reopen queues")]

    def __str__(self) -> str:
        return self.name


class TicketQuerySet(models.QuerySet["Ticket"]):
    def unsolved(self) -> TicketQuerySet:
        return self.filter(status__in=Ticket.UNSOLVED)


class Ticket(models.Model):
    """One matter of a customer or an order, in exactly one queue."""

    class Priority(models.TextChoices):
        LOW = "low", "Low"
        NORMAL = "normal", "Normal"
        HIGH = "high", "High"
        URGENT = "urgent", "Urgent"

    class Status(models.TextChoices):
        NEW = "new", "New"
        OPEN = "open", "Open"
        PENDING = "pending", "Waiting for the customer"
        ON_HOLD = "on_hold", "Waiting for somebody else"
        SOLVED = "solved", "Solved"
        CLOSED = "closed", "Closed"

    class Channel(models.TextChoices):
        MAIL = "mail", "Mail"
        FORM = "form", "Form"
        CHAT = "chat", "Chat"
        PHONE = "phone", "Telephone"
        RULE = "rule", "Rule"

    UNSOLVED = (Status.NEW, Status.OPEN, Status.PENDING, Status.ON_HOLD)

    number = models.GeneratedField(
        expression=Concat(Value("T-"), Cast("id", models.CharField())),
        output_field=models.CharField(max_length=30),
        db_persist=True,
    )
    queue = models.ForeignKey(Queue, on_delete=models.PROTECT, related_name="tickets")
    subject = models.CharField(max_length=200)
    priority = models.CharField(max_length=8, choices=Priority, default=Priority.NORMAL)
    status = models.CharField(max_length=8, choices=Status, default=Status.NEW)
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="tickets",
        db_index=False,
    )
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets"
    )
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="tickets"
    )
    # The closed ticket whose customer wrote again.
    follows = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="follow_ups",
        db_index=False,
    )
    channel = models.CharField(max_length=5, choices=Channel)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    opened_at = models.DateTimeField()
    # When the next answer is due; None while nothing is owed.
    due_at = models.DateTimeField(null=True)
    first_response_at = models.DateTimeField(null=True)
    solved_at = models.DateTimeField(null=True)
    # One per intent, so that a repeat opens nothing twice; blank when nobody named one.
    key = models.CharField(max_length=200, blank=True)
    version = models.IntegerField(default=1)

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["number"], name="ticket_number_once"),
            models.UniqueConstraint(fields=["key"], condition=~Q(key=""), name="ticket_key_once"),
            models.CheckConstraint(
                condition=Q(priority__in=["low", "normal", "high", "urgent"]),
                name="ticket_priority_known",
            ),
            # What is solved owes no answer, and says since when.
            models.CheckConstraint(
                condition=Q(status__in=["new", "open", "pending", "on_hold"])
                & Q(solved_at__isnull=True)
                | Q(status__in=["solved", "closed"], solved_at__isnull=False, due_at__isnull=True),
                name="ticket_solved_with_time",
            ),
        ]
        indexes = [
            # The list, newest first.
            models.Index(fields=["-opened_at", "-id"], name="ticket_newest"),
            # A queue's open work by due time, and the counts per queue.
            models.Index(
                fields=["queue", "due_at"],
                condition=Q(status__in=["new", "open", "pending", "on_hold"]),
                name="ticket_open_in_queue",
            ),
            # My tickets.
            models.Index(
                fields=["assignee", "due_at"],
                condition=Q(status__in=["new", "open", "pending", "on_hold"]),
                name="ticket_open_of_assignee",
            ),
            GinIndex(fields=["tags"], name="ticket_tags"),
        ]
        permissions = [
            ("answer_ticket", "Can answer tickets and write notes"),
            ("assign_ticket", "Can assign tickets and move them between queues"),
            ("solve_ticket", "Can solve and reopen tickets"),
        ]

    def __str__(self) -> str:
        return str(self.number)

    @property
    def is_unsolved(self) -> bool:
        return self.status in Ticket.UNSOLVED


class Message(models.Model):
    """What was said in a ticket. Append-only; the text is personal and never leaves this table."""

    class Direction(models.TextChoices):
        IN = "in", "From the customer"
        OUT = "out", "To the customer"
        NOTE = "note", "Note for staff"

    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, related_name="messages")
    direction = models.CharField(max_length=4, choices=Direction)
    body = models.TextField()
    # The mail's Message-ID or a form's token, so that a repeat says nothing twice.
    message_id = models.CharField(max_length=250, blank=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    customer = models.ForeignKey(
        Customer, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    rule_id = models.BigIntegerField(null=True)
    rule_version = models.IntegerField(null=True)
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            # One mail, one message, however often it is delivered.
            models.UniqueConstraint(
                fields=["message_id"], condition=~Q(message_id=""), name="message_id_once"
            ),
            models.CheckConstraint(
                condition=Q(direction__in=["in", "out", "note"]), name="message_direction_known"
            ),
        ]

    def __str__(self) -> str:
        return self.get_direction_display()


class Purpose(models.TextChoices):
    """What we write for. Only what serves an order needs no consent."""

    SERVICE = "service", "About an order"
    MARKETING = "marketing", "News and offers"
    REVIEW = "review", "Asking for a review"


class Medium(models.TextChoices):
    """How we reach a customer."""

    MAIL = "mail", "Mail"
    SMS = "sms", "Text message"
    PHONE = "phone", "Telephone"
    POST = "post", "Letter"


class ConsentEvent(models.Model):
    """That a customer said yes or no to being written to. Append-only; the last one holds."""

    class Basis(models.TextChoices):
        CONSENT = "consent", "They agreed"
        CUSTOMER = "customer", "They bought the like from us"
        WITHDRAWN = "withdrawn", "They said no"

    class Source(models.TextChoices):
        CHECKOUT = "checkout", "At the checkout"
        FORM = "form", "On a form"
        LINK = "link", "By the link in a mail"
        STAFF = "staff", "Told to staff"
        IMPORT = "import", "Brought from elsewhere"

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="consents", db_index=False
    )
    medium = models.CharField(max_length=5, choices=Medium)
    purpose = models.CharField(max_length=9, choices=Purpose)
    given = models.BooleanField()
    basis = models.CharField(max_length=9, choices=Basis)
    source = models.CharField(max_length=8, choices=Source)
    # Which words they agreed to, such as "2026-03".
    wording = models.CharField(max_length=40, blank=True, default="")
    at = models.DateTimeField(db_default=Now())
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        db_index=False,
    )  # fmt: skip
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(given=True) & ~Q(basis="withdrawn") | Q(given=False, basis="withdrawn"),
                name="consent_has_a_basis",
            ),
            # What serves an order rests on the order, not on consent.
            models.CheckConstraint(
                condition=Q(purpose__in=["marketing", "review"]), name="consent_purpose"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "medium", "purpose", "-id"], name="consent_latest"),
        ]
        permissions = [("record_consent", "Can note what customers agree to")]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}: {'yes' if self.given else 'no'}"


class Suppression(models.Model):
    """A mail nobody may be written to again, as a hash: it outlives the person's erasure."""

    digest = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.digest[:8]


class OutgoingMail(models.Model):
    """A mail to a customer: waiting, sent, or skipped with its reason.

    Whom it goes to is read when it is sent; what it says is personal and stays in this row.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        SKIPPED = "skipped", "Not sent"
        FAILED = "failed", "Could not be sent"

    class Skip(models.TextChoices):
        NO_BASIS = "no_basis", "they never agreed to it"
        WITHDRAWN = "withdrawn", "they said no"
        SUPPRESSED = "suppressed", "they asked to be forgotten"
        NO_MAIL = "no_mail", "no mail is known"
        ERASED = "erased", "the customer was erased"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="outgoing_mails")
    purpose = models.CharField(max_length=9, choices=Purpose)
    subject = models.CharField(max_length=200)
    body = models.TextField()
    # One per intent, so that a repeat writes once.
    key = models.CharField(max_length=200, unique=True)
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    skipped = models.CharField(max_length=10, choices=Skip, blank=True, default="")
    says = models.CharField(max_length=300, blank=True, default="")
    # How often the server refused it for now, and when it is tried again; None: at once.
    tries = models.SmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+",
        db_index=False,
    )  # fmt: skip
    rule_id = models.BigIntegerField(null=True)
    rule_version = models.IntegerField(null=True)
    run_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state="skipped") & ~Q(skipped="") | ~Q(state="skipped") & Q(skipped=""),
                name="outgoing_skipped_with_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="queued"), name="outgoing_waiting"),
        ]
        permissions = [("write_customer", "Can write to customers")]

    def __str__(self) -> str:
        return self.subject
