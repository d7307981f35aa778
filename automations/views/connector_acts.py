"""What people do about a connector: make it, describe it, give it secrets, stop and start it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.forms.connectors import AccountForm, ByHandForm, DescribeForm, SecretForm
from automations.forms.rules import StartForm, WhyForm
from automations.models.connectors import ConnectorAccount, Secret
from automations.models.documents import Stop
from automations.models.runs import Run
from automations.queries import connectors as queries
from automations.services import connectors, doubts, stops
from automations.services.errors import AutomationError
from automations.views.connectors import account_or_404
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.models import User
from backoffice.views.me import signed_in
from backoffice.workbench import respond

may_change = permission_required("automations.change_connectoraccount", raise_exception=True)
may_stop = permission_required("automations.stop_rule", raise_exception=True)
both = require_http_methods(["GET", "HEAD", "POST"])
REFUSALS = (AutomationError,)


def back(account: ConnectorAccount) -> str:
    return reverse("connector_detail", args=[account.key])


@permission_required("automations.add_connectoraccount", raise_exception=True)
@both
def connector_new(request: HttpRequest) -> HttpResponse:
    """The dialog that makes an account; its scope comes next."""
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            account = connectors.create_account(
                actor=person(signed_in(request)), **form.cleaned_data
            )
        except AutomationError as error:
            form.add_error(None, str(error))
        else:
            return respond.go(request, reverse("scope_edit", args=[account.key]))
    context = {"form": form, "action": request.path, "title": "New connector", "word": "Make it"}
    status = 422 if form.errors else 200
    return render(request, "components/dialog.html", context, status=status)


@may_change
@both
def connector_describe(request: HttpRequest, key: str) -> HttpResponse:
    """Name, purpose and owner."""
    account = account_or_404(key)

    def act(values: dict[str, Any]) -> str:
        connectors.describe_account(
            account.pk,
            version=values["version"],
            actor=person(signed_in(request)),
            name=values["name"],
            about=values["about"],
            owner_id=values["owner"].pk if values["owner"] else None,
        )
        return "Saved."

    begin = {name: getattr(account, name) for name in ("name", "about", "owner", "version")}
    return ask(
        request,
        DescribeForm(request.POST or None, initial=begin),
        title=f"Describe “{account}”",
        word="Save",
        back=back(account),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("automations.add_secret", raise_exception=True)
@both
def secret_new(request: HttpRequest, key: str) -> HttpResponse:
    """Store a secret. It is written here and shown nowhere."""
    account = account_or_404(key)
    form = SecretForm(connectors.kind_of(account), request.POST or None)

    def act(values: dict[str, Any]) -> str:
        connectors.store_secret(
            account.pk,
            name=values["name"],
            value=values["value"].strip(),
            actor=person(signed_in(request)),
        )
        return "Stored. It is used from the next call on; retire the one before when that works."

    return ask(
        request,
        form,
        title="Store a secret",
        word="Store it",
        text="The newest one that is not retired is used.",
        back=back(account),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("automations.change_secret", raise_exception=True)
@both
def secret_retire(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """Use a secret no more."""
    account = account_or_404(key)
    secret = get_object_or_404(Secret.objects.defer("sealed"), pk=pk, account=account)

    def act(values: dict[str, Any]) -> str:
        connectors.retire_secret(secret.pk, actor=person(signed_in(request)))
        return "Retired."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title=f"Retire the {secret.name}",
        word="Retire it",
        text="It is used no more from the next call on. The newest of the others takes its place.",
        danger=True,
        back=back(account),
        refusals=REFUSALS,
        act=act,
    )


@may_stop
@both
def connector_stop(request: HttpRequest, key: str) -> HttpResponse:
    """Stop all its calls before the next one. One person, at once."""
    account = account_or_404(key)

    def act(values: dict[str, Any]) -> str:
        stops.stop_connector(key, reason=values["why"], actor=person(signed_in(request)))
        return f"“{account}” is stopped."

    return ask(
        request,
        WhyForm(request.POST or None),
        title=f"Stop “{account}”",
        word="Stop it",
        text="Nothing is sent from now on; what is under way is settled. Runs are kept back. "
        "Starting again takes two people.",
        danger=True,
        back=back(account),
        refusals=REFUSALS,
        act=act,
    )


@may_stop
@both
def connector_start(request: HttpRequest, key: str) -> HttpResponse:
    """Ask that it starts again, or agree to what someone else asked."""
    account, stop, user = account_or_404(key), queries.open_stop(key), signed_in(request)
    if stop is None:
        return respond.go(request, back(account), "It is not stopped any more.")
    agrees = stop.asked_by_id is not None and stop.asked_by_id != user.pk
    form = StartForm(request.POST if request.method == "POST" else None)
    refusal = ""
    if request.method == "POST" and (form.is_valid() or not agrees):
        try:
            words = _start(stop, form, agrees=agrees, user=user)
            return respond.go(request, back(account), words)
        except AutomationError as error:
            refusal = str(error)
    context = {
        "form": form if agrees else None,
        "named": account.name,
        "stop": stop,
        "agrees": agrees,
        "why_not": stops.why_not_agree(stop, user) if agrees else "",
        "refusal": refusal,
        "action": request.path,
    }
    status = 422 if refusal or (agrees and form.errors) else 200
    return render(request, "automations/_start.html", context, status=status)


def _start(stop: Stop, form: StartForm, *, agrees: bool, user: User) -> str:
    if not agrees:
        stops.ask_start(stop.pk, actor=person(user))
        return "Asked. Someone else has to agree before it starts."
    stops.start_again(stop.pk, queued=form.cleaned_data["queued"], actor=person(user))
    return "It is called again."


@permission_required("automations.work_failure", raise_exception=True)
@both
def parked_by_hand(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """Record that a person did what this run waits for."""
    account = account_or_404(key)
    run = get_object_or_404(Run, pk=pk, lane=key)

    def act(values: dict[str, Any]) -> str:
        doubts.parked_by_hand(
            run.pk, reference=values["reference"], actor=person(signed_in(request))
        )
        return f"Run {run.number} was done by hand."

    return ask(
        request,
        ByHandForm(request.POST or None),
        title=f"Done by hand: run {run.number}",
        word="Mark done by hand",
        text="It counts as done, so nothing does it again when the connector is up.",
        back=back(account),
        refusals=REFUSALS,
        act=act,
    )
