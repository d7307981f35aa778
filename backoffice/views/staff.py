"""Staff: who may sign in, with which role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors, leaving, staff, standing_in, ui
from backoffice.actors import Actor
from backoffice.dialogs import ask
from backoffice.links import Link
from backoffice.model_forms import UserModelForm
from backoffice.models import AuditEntry, User
from backoffice.role_grants import RoleGrant
from backoffice.roles import ROLES
from backoffice.views import audit as audit_view
from backoffice.views import deputies
from backoffice.views.me import signed_in
from backoffice.workbench import bulk
from backoffice.workbench.bench import View, Workbench
from backoffice.workbench.bulk import BulkAction, Outcome
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no

both = require_http_methods(["GET", "HEAD", "POST"])
ROLE_CHOICES = [(role, role.capitalize()) for role in ROLES]


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLE_CHOICES)


class MemberForm(UserModelForm):
    first_name = forms.CharField(max_length=150)
    last_name = forms.CharField(max_length=150)
    role = forms.ChoiceField(choices=ROLE_CHOICES)

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email"]
        labels = {"username": "User name", "email": "Mail"}
        help_texts = {"username": "What they type to sign in: letters, digits and @ . + - _"}


def roles_of(user: User) -> str:
    return ", ".join(sorted(group.name.capitalize() for group in user.groups.all()))


def access(user: User) -> SafeString:
    return ui.status("ok", "Active") if user.is_active else ui.status("wait", "Deactivated", "ban")


def members(viewer: User) -> QuerySet[User]:
    return User.objects.all()


def _each(ids: Sequence[int], act: Any) -> Iterable[Outcome]:
    """One outcome for each person, so that one refusal does not stop the others."""
    for pk in ids:
        try:
            act([pk])
        except staff.StaffError as error:
            yield Outcome(pk, ok=False, message=str(error))
        else:
            yield Outcome(pk, ok=True)


def _deactivate(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda one: staff.deactivate_members(one, actor=actor))


def _activate(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda one: staff.activate_members(one, actor=actor))


def _change_role(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda one: staff.change_role(one, params["role"], actor=actor))


def user_names(ids: set[int]) -> dict[int, Link]:
    """People by name; without an address, as not everybody may open their pages."""
    return {user.pk: Link(str(user), "") for user in User.objects.filter(pk__in=ids)}


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(
        BulkAction(
            key="staff.deactivate",
            label="Deactivate",
            done="Deactivated",
            permission="backoffice.change_user",
            run=_deactivate,
            undo="staff.activate",
            shortcut="d",
            icon="ban",
            danger=True,
        )
    )
    bulk.register(
        BulkAction(
            key="staff.activate",
            label="Activate",
            done="Activated",
            permission="backoffice.change_user",
            run=_activate,
            undo="staff.deactivate",
            icon="check",
        )
    )
    bulk.register(
        BulkAction(
            key="staff.change_role",
            label="Change role",
            done="Asked for another role for",
            permission="backoffice.change_user",
            run=_change_role,
            form=RoleForm,
            shortcut="r",
            icon="id-badge-2",
        )
    )


STAFF = Workbench[User](
    key="backoffice.staff",
    title="Staff",
    noun="person",
    nouns="people",
    url_name="user_list",
    permission="backoffice.view_user",
    queryset=members,
    decorate=lambda rows: rows.prefetch_related("groups"),
    row_url=lambda user: reverse("user_detail", args=[user.username]),
    columns=(
        Column("name", "Name", ui.person, sort=("last_name", "first_name"), main=True, export=str),
        Column("username", "User name", sort="username"),
        Column("role", "Role", roles_of),
        Column("access", "Access", access, sort="is_active", export=lambda u: u.is_active),
        Column("email", "Mail", "email", sort="email", wide=True),
        Column("last_login", "Last signed in", sort="last_login", kind="time"),
        Column("joined", "Added", "date_joined", sort="date_joined", kind="time", default=False),
    ),
    filters=(
        yes_no(
            "waits",
            "Role waits for a yes",
            Q(pk__in=RoleGrant.objects.filter(state="asked").values("user")),
        ),
        Choice(
            key="role",
            label="Role",
            options=ROLE_CHOICES,
            where={
                role: Q(pk__in=Group.objects.filter(name=role).values("user")) for role in ROLES
            },
            pinned=True,
        ),
        yes_no("active", "Active", Q(is_active=True)),
        Day(key="seen", label="Signed in", field="last_login"),
        Day(key="joined", label="Added", field="date_joined"),
    ),
    search=(
        "username__icontains",
        "first_name__icontains",
        "last_name__icontains",
        "email__icontains",
    ),
    search_hint="Filter by name or mail",
    sort=("last_name", "first_name"),
    views=(
        View("active", "Active", "active=yes"),
        View(
            "waiting", "Role to agree to", "waits=yes", empty="No role waits for a second person."
        ),
        View("deactivated", "Deactivated", "active=no", empty="Nobody is deactivated."),
        View("all", "All"),
    ),
    bulk=("staff.change_role", "staff.deactivate", "staff.activate"),
    actions_template="backoffice/_staff_actions.html",
)


@permission_required("backoffice.add_user", raise_exception=True)
@require_http_methods(["GET", "POST"])
def user_new(request: HttpRequest) -> HttpResponse:
    """Add a member of staff and show the first password once."""
    form = MemberForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        user, password = staff.add_member(
            username=data["username"],
            first_name=data["first_name"],
            last_name=data["last_name"],
            email=data["email"],
            role=data["role"],
            actor=actors.person(signed_in(request)),
        )
        context = {
            "member": user,
            "password": password,
            "given": data["role"].capitalize(),
            "waits": user.role_grants.filter(state=RoleGrant.State.ASKED).exists(),
        }
        response = render(request, "backoffice/user_added.html", context)
        response["Cache-Control"] = "no-store"
        return response
    status = 422 if form.errors else 200
    return render(request, "backoffice/user_new.html", {"form": form}, status=status)


@permission_required("backoffice.view_user", raise_exception=True)
@require_GET
def user_detail(request: HttpRequest, username: str) -> HttpResponse:
    """One member of staff, and what was decided about their access."""
    user = get_object_or_404(User, username=username)
    waits = user.role_grants.filter(state=RoleGrant.State.ASKED).select_related("asked_by").first()
    could = staff.may_agree(waits) if waits else []
    told = AuditEntry.objects.filter(subject=staff.SUBJECT, subject_id=user.pk).order_by("-at")[:50]
    context = {
        "subject": staff.SUBJECT,
        "record": user,
        "number": str(user),
        "list_url": reverse("user_list"),
        "list_title": STAFF.title,
        "access": access(user),
        "roles": roles_of(user),
        "waits": waits,
        # The asker may take it back; a yes takes somebody else.
        "may_agree": signed_in(request) in could,
        "nobody": bool(waits) and not could,
        "left": leaving.left_by(user),
        "deputies": deputies.shown(user, signed_in(request)),
        "audit_url": reverse("audit_list"),
        "entries": [
            (
                ui.moment(entry.at),
                audit_view.who(entry),
                audit_view.words(entry.verb),
                audit_view.detail(entry),
            )
            for entry in told
        ],
    }
    return render(request, "backoffice/user_detail.html", context)


@permission_required("backoffice.change_user", raise_exception=True)
@both
def user_role(request: HttpRequest, username: str) -> HttpResponse:
    """Give one person another role."""
    user = get_object_or_404(User, username=username)
    now = user.groups.values_list("name", flat=True).first()

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        (grant,) = staff.change_role([user.pk], values["role"], actor=actor)
        if grant.state == RoleGrant.State.ASKED:
            return f"Asked: someone else has to agree that {user} gets the role {grant.role}"
        return f"{user} has the role {grant.role}"

    return ask(
        request,
        RoleForm(request.POST or None, initial={"role": now}),
        title=f"Role of {user}",
        text="Another administrator or someone of finance has to agree. Until then the role stays "
        "as it is. Auditor decides nothing and is given at once.",
        word="Ask for it",
        back=reverse("user_detail", args=[username]),
        refusals=(staff.StaffError,),
        act=act,
    )


@permission_required("backoffice.decide_rolegrant", raise_exception=True)
@both
def user_grant(request: HttpRequest, username: str, pk: int, verdict: str) -> HttpResponse:
    """Agree that somebody gets a role that another asked for, or turn it down."""
    user = get_object_or_404(User, username=username)
    grant = get_object_or_404(RoleGrant.objects.select_related("asked_by"), pk=pk, user=user)
    if verdict not in ("agree", "turn-down"):
        raise Http404
    agrees = verdict == "agree"

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if agrees:
            staff.agree_to_role(grant.pk, actor=actor)
            return f"{user} has the role {grant.role}"
        staff.turn_down_role(grant.pk, actor=actor)
        return f"{user} keeps the role they have"

    return ask(
        request,
        forms.Form(request.POST or None),
        title=f"{grant.role.capitalize()} for {user}",
        text=f"{grant.asked_by} asks that {user} gets the role {grant.role}. "
        + (
            "Agree only if you know the person and why they need it: your name stands beside it."
            if agrees
            else "They keep the role they have."
        ),
        word="Agree" if agrees else "Turn down",
        danger=not agrees,
        back=reverse("user_detail", args=[username]),
        refusals=(staff.StaffError,),
        act=act,
    )


class HandOverForm(forms.Form):
    to = forms.ModelChoiceField(User.objects.none(), label="Goes to", empty_label="Nobody yet")

    def __init__(self, *args: Any, person: User, needed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["to"]
        field.queryset, field.required = standing_in.candidates(person), needed


@permission_required("backoffice.change_user", raise_exception=True)
@both
def user_access(request: HttpRequest, username: str) -> HttpResponse:
    """Lock one person out and say who takes what they answer for, or let them in again."""
    user = get_object_or_404(User, username=username)
    leaves = user.is_active
    left = leaving.left_by(user) if leaves else []
    data = request.POST or None
    form = HandOverForm(data, person=user, needed=False) if left else forms.Form(data)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if not leaves:
            staff.activate_members([user.pk], actor=actor)
            return f"{user} can sign in again"
        with transaction.atomic():
            staff.deactivate_members([user.pk], actor=actor)
            if to := values.get("to"):
                leaving.hand_over(user.pk, to=to, actor=actor)
        return f"{user} can’t sign in any more"

    text = "They are signed out and can’t sign in. What they did stays under their name."
    if left:
        text += f" They answer for {_listed(left)}: rules that run go on whoever takes them."
    return ask(
        request,
        form,
        title=f"Deactivate {user}" if leaves else f"Activate {user}",
        text=text if leaves else "They can sign in with the password they had.",
        word="Deactivate" if leaves else "Activate",
        danger=leaves,
        back=reverse("user_detail", args=[username]),
        refusals=(staff.StaffError,),
        act=act,
    )


def _listed(things: Sequence[str]) -> str:
    return " and ".join([", ".join(things[:-1]), things[-1]] if len(things) > 1 else things)


@permission_required("backoffice.change_user", raise_exception=True)
@both
def user_hand_over(request: HttpRequest, username: str) -> HttpResponse:
    """Give what one person answers for to another."""
    user = get_object_or_404(User, username=username)
    left = leaving.left_by(user)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        leaving.hand_over(user.pk, to=values["to"], actor=actor)
        return f"{values['to']} answers for it now"

    return ask(
        request,
        HandOverForm(request.POST or None, person=user, needed=True),
        title=f"Hand over what {user} answers for",
        text=f"{_listed(left)}. Rules that run go on; each is due for a review."
        if left
        else "They answer for nothing now.",
        word="Hand over",
        back=reverse("user_detail", args=[username]),
        refusals=(staff.StaffError,),
        act=act,
    )
