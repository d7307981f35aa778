"""A connector of a sandbox is marked as staging, or not any more."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse

from automations.connectors import staging as marks
from automations.connectors.scope import lines
from automations.services import staging
from automations.services.errors import AutomationError
from automations.views.connector_acts import back, both
from automations.views.connectors import account_or_404, live_scope
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.views.me import signed_in

may_mark = permission_required("automations.mark_staging", raise_exception=True)


class SealForm(forms.Form):
    """What the person looked at."""

    seal = forms.CharField(required=False, widget=forms.HiddenInput)


@may_mark
@both
def connector_staging(request: HttpRequest, key: str) -> HttpResponse:
    """Say that it is a staging system, so that it is called."""
    account = account_or_404(key)

    def act(values: dict[str, Any]) -> str:
        staging.mark_staging(account.pk, seal=values["seal"], actor=person(signed_in(request)))
        return f"“{account}” is called from now on."

    _, scope = live_scope(account)
    calls = lines(scope)[0].words if scope else "nothing yet"
    return ask(
        request,
        SealForm(request.POST or None, initial={"seal": marks.seal_of(key) or ""}),
        title=f"Mark “{account}” as staging",
        word="Mark as staging",
        text=f"It calls {calls}, with the secrets that are stored here. Mark it only if that is a "
        "test system: what it is asked to do leaves this sandbox from now on. Another scope or "
        "secret ends the mark.",
        danger=True,
        back=back(account),
        refusals=(AutomationError,),
        act=act,
    )


@may_mark
@both
def connector_staging_end(request: HttpRequest, key: str) -> HttpResponse:
    """Catch what it is asked to do again."""
    account = account_or_404(key)

    def act(values: dict[str, Any]) -> str:
        staging.end_staging(account.pk, actor=person(signed_in(request)))
        return f"“{account}” is called no more: what it is asked to do is caught."

    return ask(
        request,
        forms.Form(request.POST if request.method == "POST" else None),
        title=f"“{account}” is no staging system",
        word="Call it no more",
        text="What it is asked to do from now on is caught.",
        back=back(account),
        refusals=(AutomationError,),
        act=act,
    )
