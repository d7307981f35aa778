"""One queue: open or close it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from support.forms import CloseQueueForm
from support.models import Queue, Ticket
from support.services.errors import SupportError
from support.services.queues import close_queue, reopen_queue
from support.tables import UNSOLVED

both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("support.view_queue", raise_exception=True)
@require_GET
def queue_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """The queue's page."""
    queue = get_object_or_404(Queue, slug=slug)
    context = {
        "queue": queue,
        "unsolved": Ticket.objects.unsolved().filter(queue=queue).count(),
        "tickets_url": f"{reverse('ticket_list')}?view=all&{UNSOLVED}&queue={slug}",
        "changes": queue.history.select_related("history_user").order_by("-history_date")[:20],
    }
    return render(request, "support/queue_detail.html", context)


def _form(request: HttpRequest, queue: Queue) -> forms.Form:
    if not queue.is_active:
        return forms.Form(request.POST or None)
    unsolved = Ticket.objects.unsolved().filter(queue=queue).count()
    return CloseQueueForm(request.POST or None, queue=queue, unsolved=unsolved)


@permission_required("support.close_queue", raise_exception=True)
@both
def queue_close(request: HttpRequest, slug: str) -> HttpResponse:
    """Close the queue, or open it again."""
    queue = get_object_or_404(Queue, slug=slug)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if queue.is_active:
            moved = close_queue(queue, move_to=values["move_to"], actor=actor)
            tickets = "1 ticket" if moved == 1 else f"{moved} tickets"
            return f"“{queue}” is closed, {tickets} moved"
        reopen_queue(queue, actor=actor)
        return f"“{queue}” is open again"

    closing = queue.is_active
    return ask(
        request,
        _form(request, queue),
        title=f"Close “{queue}”" if closing else f"Open “{queue}” again",
        word="Close the queue" if closing else "Open",
        text="Rules that open tickets here fail from then on, and their cases say so."
        if closing
        else "",
        danger=closing,
        back=reverse("queue_detail", args=[slug]),
        refusals=(SupportError,),
        act=act,
    )
