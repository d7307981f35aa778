"""Input of support: for screens, and for the parameters of its actions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms

from support.models import ConsentEvent, Medium, Purpose, Queue, Ticket
from support.queries import agent_choices, queue_choices

_NO_QUEUE = {"invalid_choice": "There is no queue “%(value)s”. Choose another queue and retry."}
_NO_AGENT = {"invalid_choice": "“%(value)s” can't answer tickets. Choose somebody else and retry."}


class OpenTicketForm(forms.Form):
    """Open a ticket. The message stands in it as a note for staff."""

    queue = forms.ChoiceField(choices=queue_choices, error_messages=_NO_QUEUE)
    priority = forms.ChoiceField(choices=Ticket.Priority.choices, initial=Ticket.Priority.NORMAL)
    subject = forms.CharField(max_length=200)
    message = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea)


class SetPriorityForm(forms.Form):
    priority = forms.ChoiceField(choices=Ticket.Priority.choices)


class AssignForm(forms.Form):
    """Give a ticket to a member of staff."""

    assignee = forms.ChoiceField(choices=agent_choices, error_messages=_NO_AGENT)


class NoteForm(forms.Form):
    text = forms.CharField(max_length=20_000, widget=forms.Textarea)


class ReplyForm(forms.Form):
    """An answer, bound to the version of the ticket it was written on."""

    text = forms.CharField(
        label="Answer", max_length=20_000, widget=forms.Textarea({"data-key": "r"})
    )
    then = forms.ChoiceField(
        label="Then",
        choices=[
            (status.value, status.label)
            for status in (Ticket.Status.PENDING, Ticket.Status.ON_HOLD, Ticket.Status.SOLVED)
        ],
    )
    version = forms.IntegerField(widget=forms.HiddenInput)
    key = forms.CharField(max_length=100, widget=forms.HiddenInput)


class MoveQueueForm(forms.Form):
    queue = forms.ChoiceField(choices=queue_choices, error_messages=_NO_QUEUE)


class CloseQueueForm(forms.Form):
    """Close a queue; its unsolved tickets move to another. It needs no other where it has none."""

    move_to = forms.ModelChoiceField(
        Queue.objects.none(),
        label="Move its open tickets to",
        to_field_name="slug",
        empty_label="Choose a queue",
    )

    def __init__(self, *args: Any, queue: Queue, unsolved: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["move_to"]
        field.required = unsolved > 0
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = Queue.objects.filter(is_active=True).exclude(pk=queue.pk)
            field.help_text = f"{unsolved} in it now." if unsolved else "There are none now."


# Consent is asked for everything that does not serve an order.
ASKED_FOR = [each for each in Purpose.choices if each[0] != Purpose.SERVICE]
GROUNDS = [each for each in ConsentEvent.Basis.choices if each[0] != ConsentEvent.Basis.WITHDRAWN]


class ConsentForm(forms.Form):
    """What a customer said about being written to."""

    purpose = forms.ChoiceField(label="What for", choices=ASKED_FOR)
    medium = forms.ChoiceField(label="How", choices=Medium.choices)
    given = forms.ChoiceField(label="They said", choices=[("no", "No"), ("yes", "Yes")])
    basis = forms.ChoiceField(
        label="On what ground",
        choices=[("", "–"), *GROUNDS],
        required=False,
        help_text="For a yes.",
    )
    wording = forms.CharField(
        label="Wording",
        max_length=40,
        required=False,
        help_text="Which words they agreed to, such as 2026-03.",
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("given") == "yes" and not given.get("basis"):
            self.add_error("basis", "Without a ground nobody may be written to: say which it is.")
        return given


class WithdrawForm(forms.Form):
    """A no that a rule notes."""

    purpose = forms.ChoiceField(label="What for", choices=ASKED_FOR)
    medium = forms.ChoiceField(label="How", choices=Medium.choices)


class WriteForm(forms.Form):
    """A mail to a customer."""

    purpose = forms.ChoiceField(
        label="What for",
        choices=Purpose.choices,
        help_text="News and offers go only to those who agreed to them.",
    )
    subject = forms.CharField(label="Subject", max_length=200)
    text = forms.CharField(label="Text", max_length=20_000, widget=forms.Textarea)


class OrderMailForm(forms.Form):
    """A mail that serves an order."""

    subject = forms.CharField(label="Subject", max_length=200)
    text = forms.CharField(label="Text", max_length=20_000, widget=forms.Textarea)


class CustomerMailForm(WriteForm):
    """As staff write it; `key` tells a second press from a second mail."""

    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)
