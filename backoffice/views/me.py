"""One's own preferences: theme, density, zone, keys, password."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.forms.utils import flatatt
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from backoffice import actors, staff, standing_in
from backoffice.model_forms import UserModelForm
from backoffice.models import User
from backoffice.views import deputies
from backoffice.views.persons import signed_in as signed_in


@cache
def zone_choices() -> list[tuple[str, str]]:
    """Time zones of places, by name; the old short forms are left out."""
    names = [name for name in available_timezones() if "/" in name and not name.startswith("Etc/")]
    return [(name, name.replace("_", " ")) for name in sorted(["UTC", *names])]


class LongSelect(forms.Select):
    """A list of hundreds: written in one go, as a template for each choice takes its time."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        options = format_html_join(
            "",
            '<option value="{}"{}>{}</option>',
            (
                (key, mark_safe(" selected") if key == value else "", label)
                for key, label in self.choices
            ),
        )
        given = self.build_attrs(self.attrs, {"name": name, **(attrs or {})})
        return format_html("<select{}>{}</select>", flatatt(given), options)


class PreferencesForm(UserModelForm):
    time_zone = forms.ChoiceField(choices=zone_choices, widget=LongSelect)

    class Meta:
        model = User
        fields = ["theme", "density", "time_zone", "single_keys"]
        help_texts = {
            "single_keys": "Switch them off if a letter typed by accident must never do anything. "
            "Ctrl K, Esc and Ctrl Enter stay."
        }


@require_http_methods(["GET", "POST"])
def me(request: HttpRequest) -> HttpResponse:
    """Show and change one's preferences."""
    user = signed_in(request)
    form = PreferencesForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your preferences are saved.")
        return redirect("me")
    status = 422 if form.errors else 200
    context = {
        "form": form,
        "deputies": deputies.shown(user, user),
        "may_name": user.groups.filter(name__in=standing_in.DECIDING).exists(),
    }
    return render(request, "backoffice/me.html", context, status=status)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def me_password(request: HttpRequest) -> HttpResponse:
    """Change one's password; other sessions of this person end."""
    user = signed_in(request)
    form: Any = PasswordChangeForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        staff.change_password(form, actor=actors.person(user))
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is changed. You are signed out everywhere else.")
        return redirect("me")
    status = 422 if form.errors else 200
    return render(request, "backoffice/password.html", {"form": form}, status=status)


def _set(request: HttpRequest, field: str, allowed: list[str]) -> HttpResponse:
    value = request.POST.get(field, "")
    if value not in allowed:
        return HttpResponseBadRequest()
    user = signed_in(request)
    setattr(user, field, value)
    user.save(update_fields=[field])
    return HttpResponse(status=204)


@require_POST
def me_theme(request: HttpRequest) -> HttpResponse:
    """Keep the theme that the menu has just set."""
    return _set(request, "theme", User.Theme.values)


@require_POST
def me_density(request: HttpRequest) -> HttpResponse:
    """Keep the density that a list has just set."""
    return _set(request, "density", User.Density.values)
