"""What people decide about webhooks in: sources, secrets, how topics are read, what is held."""

from __future__ import annotations

import secrets as randomness
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.text import slugify

from automations.connectors import vault
from automations.engine import wake
from automations.intake import sources
from automations.intake.inbox import deliveries_settled
from automations.intake.mapping import Reader
from automations.intake.signatures import SCHEMES
from automations.models.intake import Delivery, IntakeRoute, IntakeSecret, IntakeSource
from automations.services import doors
from automations.services.errors import NotPossible, Stale
from automations.triggers import Feed, triggers
from backoffice import audit
from backoffice.actors import Actor

SOURCE = "automations.intakesource"
DELIVERY = "automations.delivery"
DESCRIBED = ("name", "about", "header", "lead", "id_at", "topic_at", "tolerance_seconds")
MOST_SECRETS = 5
SHORTEST_SECRET = 16
# How long the secrets before a new one may still be accepted.
LONGEST_OVERLAP = timedelta(days=30)
State = Delivery.State


def _free_key(name: str) -> str:
    base = slugify(name)[:50] or "source"
    taken = set(IntakeSource.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a source; raises NotPossible where it can't be."""
    for name in ("id_at", "topic_at"):
        where = str(given.get(name, ""))
        if where and not where.startswith(("header:", "body:")):
            raise NotPossible("Say header:Name or body:path.")
    return dict(given)


@transaction.atomic
def create_source(*, name: str, scheme: str, actor: Actor, **given: Any) -> IntakeSource:
    """Make a source. It accepts nothing before a secret is stored.

    `given` are fields of a source: where its own header, id and topic stand. Raises NotPossible.
    """
    if scheme not in SCHEMES:
        raise NotPossible("Choose how the sender signs.")
    source = IntakeSource.objects.create(
        key=_free_key(name),
        name=name,
        scheme=scheme,
        created_by_id=doors.person_id(actor),
        **_checked(given),
    )
    audit.record("intake.source_made", SOURCE, source.pk, actor=actor, key=source.key)
    return source


def _locked(source_id: int, version: int) -> IntakeSource:
    source = IntakeSource.objects.select_for_update(no_key=True).get(pk=source_id)
    if source.version != version:
        raise Stale("Someone changed this source meanwhile. Look at it before you save.")
    return source


@transaction.atomic
def change_source(source_id: int, *, version: int, actor: Actor, **changes: Any) -> IntakeSource:
    """Change what people read about a source, or where its id and topic stand; raises Stale."""
    source = _locked(source_id, version)
    unknown = set(changes) - set(DESCRIBED)
    if unknown:
        raise NotPossible(f"{', '.join(sorted(unknown))} can't be changed here.")
    for name, value in _checked(changes).items():
        setattr(source, name, value)
    source.version += 1
    source.save(update_fields=[*changes, "version"])
    audit.record("intake.source_changed", SOURCE, source.pk, actor=actor, fields=sorted(changes))
    transaction.on_commit(sources.forget)
    return source


@transaction.atomic
def set_open(source_id: int, *, is_open: bool, actor: Actor) -> IntakeSource:
    """Accept deliveries of a source, or none from now on; what was received stays."""
    source = IntakeSource.objects.select_for_update(no_key=True).get(pk=source_id)
    if source.is_open is is_open:
        return source
    source.is_open = is_open
    source.version += 1
    source.save(update_fields=["is_open", "version"])
    verb = "intake.source_opened" if is_open else "intake.source_closed"
    audit.record(verb, SOURCE, source.pk, actor=actor)
    transaction.on_commit(sources.forget)
    return source


# --- secrets ------------------------------------------------------------------------------------


@transaction.atomic
def store_secret(
    source_id: int, *, value: str, actor: Actor, overlap: timedelta | None = None
) -> IntakeSecret:
    """Keep a signing secret, sealed. Those before it are accepted for `overlap` more.

    None: until someone ends them. Raises NotPossible where it is no good secret.
    """
    source = IntakeSource.objects.select_for_update(no_key=True).get(pk=source_id)
    if len(value) < SHORTEST_SECRET:
        raise NotPossible(f"A signing secret has at least {SHORTEST_SECRET} characters.")
    if overlap is not None and not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise NotPossible("The one before is accepted for 30 days at most.")
    now, person = timezone.now(), doors.person_id(actor)
    accepted = IntakeSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), source=source)
    if overlap is not None:
        until = now + overlap
        early = accepted.filter(Q(ends_at=None) | Q(ends_at__gt=until))
        early.update(ends_at=until, ended_by_id=person)
    if accepted.filter(Q(ends_at=None) | Q(ends_at__gt=now)).count() >= MOST_SECRETS:
        raise NotPossible(f"A source has {MOST_SECRETS} secrets at most. End one first.")
    try:
        sealed = vault.seal(sources.sealed_for(source.key), sources.SECRET, value)
    except ImproperlyConfigured as error:
        raise NotPossible(str(error)) from error
    secret = IntakeSecret.objects.create(source=source, sealed=sealed, created_by_id=person)
    audit.record("intake.secret_stored", SOURCE, source.pk, actor=actor, secret=secret.pk)
    transaction.on_commit(sources.forget)
    return secret


def new_secret() -> str:
    """A secret that nobody can guess, in the form that Standard Webhooks has."""
    return f"whsec_{randomness.token_urlsafe(32)}"


@transaction.atomic
def end_secret(secret_id: int, *, actor: Actor) -> IntakeSecret:
    """Accept a secret no more."""
    secret = IntakeSecret.objects.select_for_update(no_key=True).get(pk=secret_id)
    now = timezone.now()
    if secret.ends_at is not None and secret.ends_at <= now:
        raise NotPossible("This secret has ended already.")
    secret.ends_at, secret.ended_by_id = now, doors.person_id(actor)
    secret.save(update_fields=["ends_at", "ended_by"])
    audit.record("intake.secret_ended", SOURCE, secret.source_id, actor=actor, secret=secret.pk)
    transaction.on_commit(sources.forget)
    return secret


# --- how topics are read ------------------------------------------------------------------------


def feed_of(key: str) -> Feed:
    """A trigger that can be fed; raises NotPossible."""
    known = triggers.get(key)
    if not isinstance(known, Feed):
        raise NotPossible("Choose what it feeds.")
    return known


@transaction.atomic
def set_route(
    source_id: int, *, topic: str, feed: str, mapping: Mapping[str, Any], actor: Actor
) -> IntakeRoute:
    """Say what a topic of a source feeds and where its values stand; replaces what was said.

    Raises NotPossible, and mapping.Unusable with what is wrong by field.
    """
    Reader(feed_of(feed), mapping)
    source = IntakeSource.objects.select_for_update(no_key=True).get(pk=source_id)
    person = doors.person_id(actor)
    route = IntakeRoute.objects.filter(source=source, topic=topic).first()
    if route is None:
        route = IntakeRoute(source=source, topic=topic, version=0)
    before = {"feed": route.feed, "mapping": route.mapping} if route.pk else {}
    route.feed, route.mapping, route.changed_by_id = feed, dict(mapping), person
    route.version += 1
    route.save()
    audit.record(
        "intake.route_set",
        SOURCE,
        source.pk,
        actor=actor,
        topic=topic,
        before=before,
        after={"feed": feed, "mapping": dict(mapping)},
    )
    return route


@transaction.atomic
def remove_route(route_id: int, *, actor: Actor) -> None:
    """Let a topic feed nothing any more."""
    route = IntakeRoute.objects.select_for_update(no_key=True).get(pk=route_id)
    audit.record(
        "intake.route_removed",
        SOURCE,
        route.source_id,
        actor=actor,
        topic=route.topic,
        before={"feed": route.feed, "mapping": route.mapping},
    )
    route.delete()


# --- what is held -------------------------------------------------------------------------------

AGAIN = (State.QUARANTINED, State.UNREAD, State.DROPPED)


@transaction.atomic
def replay(ids: Sequence[int], *, actor: Actor) -> list[int]:
    """Have deliveries read again, by the mapping as it is now; answers those that will be.

    One that was taken is never taken twice.
    """
    rows = Delivery.objects.select_for_update(no_key=True, of=("self",))
    found = list(
        rows.filter(pk__in=ids, state__in=AGAIN, body__isnull=False)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    Delivery.objects.filter(pk__in=found).update(
        state=State.WAITING,
        due_at=timezone.now(),
        tries=0,
        replays=F("replays") + 1,
        says="",
        cause="",
        taken_at=None,
    )
    if found:
        audit.record("intake.replayed", DELIVERY, None, actor=actor, deliveries=found)
        wake.soon("take")
    return found


NOT_AWAY = {
    State.TAKEN: "It was taken meanwhile, so rules have seen it. What they did stands on their "
    "runs, and can be taken back there.",
    State.OVERTAKEN: "A newer delivery overtook it, so nothing is done about it anyway.",
    State.DROPPED: "It is put away already.",
}


@transaction.atomic
def drop(delivery_id: int, *, why: str, actor: Actor) -> Delivery:
    """Put a delivery away: nothing is done about it. It is kept, and can be read again later.

    One that waits to be read again is not read then. Raises NotPossible where rules have seen it.
    """
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    if delivery.state in NOT_AWAY:
        raise NotPossible(NOT_AWAY[State(delivery.state)])
    delivery.state, delivery.says = State.DROPPED, why
    delivery.save(update_fields=["state", "says"])
    audit.record("intake.dropped", DELIVERY, delivery.pk, actor=actor, why=why)
    deliveries_settled.send(sender=Delivery, ids=[delivery.pk])
    return delivery
