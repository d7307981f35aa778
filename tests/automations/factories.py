"""Rules that are live, parcels that arrive, and the engine worked by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection
from django.urls import reverse
from django.utils import timezone

from automations.engine.execute import execute_batch
from automations.engine.match import match_batch
from automations.models.documents import Document
from automations.models.figures import RunHour
from automations.models.rules import Draft, Rule
from automations.services import approvals, approving, drafts, owners, rules
from backoffice.actors import person
from backoffice.models import Notice, User
from tests.bed.evidence import gather
from tests.bed.people import give_roles
from tests.depot import signals
from tests.depot.models import Parcel

_made = 0


def staff(role: str, name: str = "") -> User:
    """A member of staff with a role; the same name gives the same person."""
    user, fresh = User.objects.get_or_create(
        username=name or f"{role}-of-the-factory", defaults={"first_name": role.title()}
    )
    if fresh:
        give_roles(user, role)
    return user


def author() -> User:
    return staff("operations", "author")


def body(**changes: Any) -> dict[str, Any]:
    """Parcels of £100.00 and more get a tag."""
    given: dict[str, Any] = {
        "schema": 1,
        "trigger": {"on": "depot.parcel_arrived"},
        "when": {
            "all": [
                {
                    "field": "parcel.total",
                    "op": "gte",
                    "value": {"amount": "100.00", "currency": "GBP"},
                }
            ]
        },
        "steps": [{"uid": "a1", "do": "depot.add_tag", "with": {"tag": "high-value"}}],
    }
    return {**given, **changes}


def steps(*does: str, **given: Any) -> list[dict[str, Any]]:
    """Steps with uids a1, a2, …"""
    return [
        {"uid": f"a{number}", "do": do, "with": {"tag": f"t{number}", **given}}
        for number, do in enumerate(does, 1)
    ]


def make_rule(**changes: Any) -> Rule:
    """A rule with a draft, by the factory's author."""
    global _made
    _made += 1
    named = {key: changes.pop(key) for key in ("name", "position", "fallback") if key in changes}
    rule = rules.create_rule(
        name=named.get("name", f"Rule {_made}"),
        domain="orders",
        body=body(**changes),
        actor=person(author()),
        fallback=named.get("fallback", "Tag it by hand."),
    )
    if "position" in named:
        Rule.objects.filter(pk=rule.pk).update(position=named["position"])
        rule.refresh_from_db()
    return rule


def submit(rule: Rule) -> Document:
    """A version that waits, with the evidence for it."""
    draft = Draft.objects.get(rule=rule)
    document = rules.submit_rule(
        rule.pk, revision=draft.revision, why="Needed.", actor=person(author())
    )
    gather(document)
    return document


def edit(rule: Rule, **changes: Any) -> None:
    """The author saves another body of the draft."""
    drafts.save_draft(
        rule.pk,
        body=body(**changes),
        revision=Draft.objects.get(rule=rule).revision,
        actor=person(author()),
    )


def own(rule: Rule, owner: User) -> None:
    """Let two others make this person the owner of a rule in force."""
    asker, second = staff("operations", "asks-for-owner"), staff("support", "agrees-to-owner")
    rule = Rule.objects.get(pk=rule.pk)
    owners.ask_owner(rule, owner.pk, actor=person(asker))
    owners.agree_to_owner(rule.pk, owner_id=owner.pk, actor=person(second))


def approver(document: Document) -> User:
    role = approving.SUITABLE[document.risk][0]
    return staff(role, f"approver-{role}")


def make_live(rule: Rule) -> Document:
    document = submit(rule)
    approvals.approve(
        document.pk, sha256=document.sha256, actor=person(approver(document)), comment="Fine."
    )
    # Who waits for a verdict is told of it; that is no matter of the tests that need a rule.
    Notice.objects.filter(link=reverse("approval_detail", args=[document.pk])).delete()
    return document


def live_rule(**changes: Any) -> Rule:
    rule = make_rule(**changes)
    make_live(rule)
    return rule


def live_for(rule: Rule, days: float) -> None:
    """Let a live rule have been in force for so many days."""
    since = timezone.now() - timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute("SELECT depot_live_since(%s, %s)", [rule.pk, since])


def ended(rule: Rule, *, days_ago: float, runs: int = 1, state: str = "done") -> None:
    """Let so many runs of a rule have ended then, as they are counted."""
    at = timezone.now() - timedelta(days=days_ago)
    hour = at.replace(minute=0, second=0, microsecond=0)
    RunHour.objects.create(
        hour=hour, rule_id=rule.pk, state=state, runs=runs, longest=0.1, longest_run_id=1
    )


def make_parcels(count: int = 1, **changes: Any) -> list[Parcel]:
    start = Parcel.objects.count()
    given: dict[str, Any] = {"country": "FR", "total": "250.00", "carrier": "dhl", **changes}
    return Parcel.objects.bulk_create(
        [Parcel(**{"number": f"P-{start + number + 1:05}", **given}) for number in range(count)]
    )


def arrive(parcels: list[Parcel], **sent: Any) -> None:
    signals.parcels_arrived.send(
        sender=Parcel, **{"parcels": parcels, "actor": None, "history": False, **sent}
    )


def parcels_arrived(count: int = 1, **changes: Any) -> list[Parcel]:
    """Parcels that have just arrived."""
    parcels = make_parcels(count, **changes)
    arrive(parcels)
    return parcels


def match_all() -> None:
    while match_batch():
        pass


def execute_all() -> None:
    while execute_batch():
        pass


def execute_all_once() -> None:
    """One batch: what asks to be tried again at once is not."""
    execute_batch()


def work_all() -> None:
    """Match and execute until nothing is left, chains included."""
    while match_batch() + execute_batch():
        pass
