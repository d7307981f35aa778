"""What the builder and its parts know of a draft: read once for a request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from django.utils import timezone

from automations.actions import Action, actions
from automations.catalogue import catalogue_for
from automations.conditions.fields import Catalogue
from automations.conditions.problems import Problem
from automations.forms.conditions import read_conditions
from automations.forms.limits import read_limits
from automations.forms.params import read_params
from automations.forms.starts import read_start, source_of
from automations.forms.steps import new_step, read_steps
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.rules import Draft, Rule
from automations.queries import rules as queries
from automations.rules.editing import Json, NoSuchPart, parts_of, uid_of
from automations.rules.naming import drop_unused, fix_value, name_value
from automations.rules.step_editing import NEW, add_step, edit, normal, places
from automations.services.rules import problems_of
from automations.simulation import stored
from automations.simulation.records import as_it_stands
from automations.triggers import Scan, Source
from backoffice.models import User

may_edit = permission_required("automations.change_draft", raise_exception=True)


def signed_in(request: HttpRequest) -> User:
    """The person of this request, who is signed in on every page but the sign-in."""
    assert isinstance(request.user, User)  # noqa: S101 (LoginRequiredMiddleware)
    return request.user


def rule_or_404(slug: str) -> Rule:
    return get_object_or_404(Rule.objects.select_related("owner", "created_by"), slug=slug)


def catalogue_of_body(body: Any) -> Catalogue:
    known = source_of(body)
    return catalogue_for(known) if known else Catalogue({})


def actions_for(known: Source | None) -> list[Action]:
    """The actions that fit the records this trigger or scan is about."""
    return [each for each in actions if known and each.subject in ("", known.subject)]


@dataclass
class Drafting:
    """One rule with its draft, in the form that is edited."""

    rule: Rule
    draft: Draft

    @classmethod
    def of(cls, slug: str) -> Drafting:
        rule = rule_or_404(slug)
        return cls(rule, queries.draft_of(rule))

    @cached_property
    def body(self) -> Json:
        return normal(self.draft.body)

    @cached_property
    def source(self) -> Source | None:
        """The trigger or scan it starts on; None while it names none."""
        return source_of(self.body)

    @cached_property
    def catalogue(self) -> Catalogue:
        return catalogue_of_body(self.body)

    @cached_property
    def problems(self) -> list[Problem]:
        return list(problems_of(self.rule, self.body))

    @property
    def blocking(self) -> list[Problem]:
        return [each for each in self.problems if each.blocks]

    @cached_property
    def live(self) -> Document | None:
        return queries.live_document(self.rule)

    @cached_property
    def recent(self) -> stored.Stored | None:
        """The newest event of the trigger, or record of the scan, for samples."""
        if isinstance(self.source, Scan):
            return _newest(self.source)
        if self.source is None:
            return None
        found = (
            Event.objects.filter(trigger=self.source.key, rule_id=None)
            .order_by("-occurred_at")
            .first()
        )
        return stored.of_event(found) if found else None


def _newest(scan: Scan) -> stored.Stored | None:
    newest = scan.rows().order_by("-pk").values_list("pk", flat=True).first()
    known = as_it_stands(scan, newest) if newest is not None else None
    if known is None:
        return None
    return stored.Stored(0, known.subject_id, timezone.now(), known.facts, known.lists)


def edited(body: Any, data: QueryDict) -> tuple[Json, str]:
    """A body after the builder's form was posted, and the id of what the focus goes to.

    Raises NoSuchPart when the operation's part is gone.
    """
    made, operation = normal(body), data.get("do", "")
    catalogue = catalogue_of_body(made)
    read_conditions(made, catalogue, data)
    read_steps(made, catalogue, data)
    read_limits(made, data)
    read_params(made, data)
    read_start(made, data)
    if operation.startswith(("name_value:", "fix_value:")):
        return made, _name(made, catalogue, operation)
    if operation.startswith("add_step:"):
        return made, _add_step(made, catalogue, operation.removeprefix("add_step:"))
    if not operation:
        return made, ""
    uid = edit(made, operation, catalogue)
    drop_unused(made)
    return made, _focus(operation, uid)


def _name(body: Json, catalogue: Catalogue, operation: str) -> str:
    """Give a clause's value a name, or put it back; answers the id of what the focus goes to."""
    verb, _, uid = operation.partition(":")
    place = places(body, catalogue).get(uid)
    if place is None:
        raise NoSuchPart("This condition is not there any more.")
    done = name_value(body, place) if verb == "name_value" else fix_value(body, place)
    return f"c-{done}-grip"


def _add_step(body: Json, catalogue: Catalogue, asked: str) -> str:
    """A new step as `wait:b1.then` names it: its kind or action, and where it goes."""
    key, _, into = asked.partition(":")
    action = actions.get(key)
    if action is None and key not in NEW:
        raise NoSuchPart("There is no such step.")
    make = NEW[key] if action is None else lambda seen: new_step(action)
    step = add_step(body, into, catalogue, make)
    first = next(iter(action.form.base_fields), "") if action is not None else ""
    return f"id_s-{step['uid']}-{first}" if action is not None else _first_input(step)


def _first_input(step: Json) -> str:
    """The id of what an author fills in first."""
    name = f"s-{step['uid']}"
    if "if" in step:
        return f"c-{uid_of(parts_of(step['if'])[0])}-field"
    return next(f"{name}-{part}" for kind, part in _FIRST.items() if kind in step)


_FIRST = {"wait": "wait", "for_each": "list", "ask": "role"}


def _focus(operation: str, uid: str) -> str:
    name = operation.partition(":")[0]
    if name == "step_drop":
        return f"s-{uid}-end-add"
    if name.startswith("step_"):
        return f"s-{uid}-grip" if uid else "add-step"
    if name in ("add_clause", "add_group"):
        return f"c-{uid}-field"
    if name == "add_list":
        return f"c-{uid}-list"
    return f"c-{uid}-add" if name == "drop" else f"c-{uid}-grip"
