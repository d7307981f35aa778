"""One's own notices: the list behind the bell, and what of it Home shows."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from backoffice import counts, home, notices
from backoffice.counts import Count
from backoffice.models import Notice, User
from backoffice.views.me import signed_in
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Day, yes_no

SHOWN = 6


def own(user: User) -> QuerySet[Notice]:
    """What this person was told."""
    return Notice.objects.filter(user=user)


NOTICES = Workbench[Notice](
    key="backoffice.notices",
    title="Notices",
    noun="notice",
    url_name="notice_list",
    permission="backoffice.view_notice",
    queryset=own,
    row_label=lambda notice: notice.text,
    row_url=lambda notice: reverse("notice_open", args=[notice.pk]),
    columns=(
        Column("text", "What", main=True, wide=True),
        Column("told", "Told", "created_at", sort="created_at", kind="time"),
        Column("read", "Read", "read_at", kind="time"),
        Column("over", "Decided", "over_at", kind="time"),
    ),
    filters=(
        yes_no("unread", "Unread", Q(read_at=None), pinned=True),
        Day(key="told", label="Told", field="created_at"),
    ),
    search=("text__icontains",),
    sort=("-created_at",),
    views=(
        View("unread", "Unread", "unread=yes", empty="You have read everything."),
        View("all", "All"),
    ),
    empty=Empty("No notices.", "What you should know of your rules and your work comes here."),
    actions_template="backoffice/_notice_actions.html",
)


@permission_required("backoffice.view_notice", raise_exception=True)
@require_GET
def notice_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark one's own notice as read and go where it points."""
    user = signed_in(request)
    notice = get_object_or_404(Notice, pk=pk, user=user)
    notices.read(user, pk)
    return redirect(notice.link or "notice_list")


@permission_required("backoffice.view_notice", raise_exception=True)
@require_POST
def notices_read(request: HttpRequest) -> HttpResponse:
    """Mark all of one's own notices as read."""
    notices.read(signed_in(request))
    return redirect("notice_list")


@permission_required("backoffice.view_notice", raise_exception=True)
@require_GET
def notices_home(request: HttpRequest) -> HttpResponse:
    """The latest unread ones."""
    unread = own(signed_in(request)).filter(read_at=None)
    rows = unread.order_by("-created_at", "-pk")[:SHOWN]
    return render(
        request, "backoffice/_home_notices.html", {"rows": rows, "number": unread.count()}
    )


def unread_count(user: User) -> Count | None:
    """The figure beside the bell."""
    number = own(user).filter(read_at=None).count()
    return Count(number) if number else None


def register_notices() -> None:
    """Tell Home and the rail; once, when the app is ready."""
    home.register(home.HomePanel("Notices", "notice_home", "backoffice.view_notice", order=8))
    counts.register("notice_list", unread_count)
