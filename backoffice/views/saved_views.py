"""Saving, renaming, sharing and deleting views of lists."""

from __future__ import annotations

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST

from backoffice.model_forms import SavedViewModelForm
from backoffice.models import SavedView, User
from backoffice.roles import ROLES
from backoffice.views.me import signed_in
from backoffice.workbench import bench as benches
from backoffice.workbench import respond
from backoffice.workbench.bench import AnyBench
from backoffice.workbench.state import read, written

MAX_VIEWS = 20


class SavedViewForm(SavedViewModelForm):
    """Name and audience of a view; only offers what this person may do."""

    class Meta:
        model = SavedView
        fields = ["name", "shared", "default_for"]
        labels = {"shared": "Everyone sees it", "default_for": "First view of the role"}

    def __init__(self, *args: object, user: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed through to the form
        roles = [(role, role.capitalize()) for role in ROLES]
        self.fields["default_for"] = forms.ChoiceField(
            choices=[("", "none"), *roles], required=False, label="First view of the role"
        )
        if not user.has_perm("backoffice.share_savedview"):
            del self.fields["shared"]
        if not user.has_perm("backoffice.default_savedview"):
            del self.fields["default_for"]

    def clean(self) -> dict[str, object]:
        data: dict[str, object] = super().clean() or {}
        if data.get("default_for") and not data.get("shared"):
            self.add_error("default_for", "A role can only start with a view that everyone sees.")
        return data


def _bench(key: str, user: User) -> AnyBench:
    try:
        bench: AnyBench = benches.get(key)
    except KeyError as error:
        raise Http404 from error
    if not user.has_perm(bench.permission):
        raise PermissionDenied
    return bench


def _free_slug(bench: AnyBench, name: str) -> str:
    """A slug that no view of this list has; shared and private views share one namespace."""
    stem = slugify(name)[:40] or "view"
    taken = set(
        SavedView.objects.filter(screen=bench.key, slug__startswith=stem).values_list(
            "slug", flat=True
        )
    ) | {view.slug for view in bench.views}
    if stem not in taken:
        return stem
    return next(f"{stem}-{n}" for n in range(2, len(taken) + 3) if f"{stem}-{n}" not in taken)


def _take_default(view: SavedView) -> None:
    """A role has one first view: the newest choice takes the place of the one before."""
    if view.default_for:
        SavedView.objects.filter(screen=view.screen, default_for=view.default_for).exclude(
            pk=view.pk
        ).update(default_for="")


@require_http_methods(["GET", "POST"])
def view_new(request: HttpRequest) -> HttpResponse:
    """Save what the list shows now as a view."""
    user = signed_in(request)
    data = request.POST if request.method == "POST" else request.GET
    bench = _bench(data.get("screen", ""), user)
    known = {"q", "sort", "cols", *(filter_.key for filter_ in bench.filters)}
    params = {key: values for key, values in read(data.get("query", "")).items() if key in known}
    query = written(params).removeprefix("?")[:2000]
    form = SavedViewForm(request.POST if request.method == "POST" else None, user=user)
    if form.is_bound and form.is_valid():
        view = form.save(commit=False)
        view.owner, view.screen, view.query = user, bench.key, query
        if SavedView.objects.filter(owner=user, screen=bench.key).count() >= MAX_VIEWS:
            form.add_error(None, f"You have {MAX_VIEWS} views here already. Delete one first.")
        else:
            with transaction.atomic():
                view.slug = _free_slug(bench, view.name)
                _take_default(view)
                view.save()
            text = f"The view “{view.name}” is saved."
            return respond.go(request, f"{bench.url}?view={view.slug}", text)
    context = {
        "form": form,
        "title": "Save this view",
        "action": reverse("view_new"),
        "screen": bench.key,
        "query": query,
        "word": "Save the view",
    }
    status = 422 if form.errors else 200
    return render(request, "workbench/_view_dialog.html", context, status=status)


@require_http_methods(["GET", "POST"])
def view_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Rename or share one's own view."""
    user = signed_in(request)
    view = get_object_or_404(SavedView, pk=pk, owner=user)
    bench = _bench(view.screen, user)
    form = SavedViewForm(
        request.POST if request.method == "POST" else None, instance=view, user=user
    )
    if form.is_bound and form.is_valid():
        with transaction.atomic():
            _take_default(view)
            form.save()
        return respond.go(request, f"{bench.url}?view={view.slug}")
    context = {
        "form": form,
        "title": f"View “{view.name}”",
        "action": reverse("view_edit", args=[pk]),
        "delete_url": reverse("view_delete", args=[pk]),
    }
    status = 422 if form.errors else 200
    return render(request, "workbench/_view_dialog.html", context, status=status)


@require_POST
def view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete one's own view; the rows in it are untouched."""
    view = get_object_or_404(SavedView, pk=pk, owner=signed_in(request))
    bench = _bench(view.screen, signed_in(request))
    view.delete()
    return respond.go(request, bench.url, f"The view “{view.name}” is deleted.")
