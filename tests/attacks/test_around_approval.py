"""Every way round the approval that we could think of: none works, and each is on record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, connection
from pytest_django.plugin import DjangoDbBlocker

from automations.services.errors import AutomationError
from backoffice import refusals
from backoffice.staff import StaffError
from tests.attacks.around import (
    Scene,
    refused_so_far,
    set_scene,
    state_of,
    unapproved_in_force,
)
from tests.attacks.around_services import SERVICES
from tests.attacks.around_sql import CALLS, SWITCHES, WRITES
from tests.bed.databases import Database, clone, drop, serving

Way = Callable[[Scene], object]
SAYS_NO = (DatabaseError, AutomationError, StaffError)

# --- pages ----------------------------------------------------------------------------------------


def _post(user: str, address: str, **values: str) -> Way:
    """Send a form as somebody; the page must not say that it was done."""

    def way(scene: Scene) -> None:
        url = address.format(document=scene.document.pk, slug=scene.rule.slug)
        given = {"sha256": scene.document.sha256, "comment": "Fine.", **values}
        answer = scene.client(getattr(scene, user)).post(url, given)
        assert answer.status_code in (403, 404, 409, 422), answer.status_code

    return way


APPROVE = "/approvals/{document}/approve/"
PAGES = {
    "the author approves on the page": _post("author", APPROVE),
    "an editor approves on the page": _post("editor", APPROVE),
    "the administrator approves on the page": _post("boss", APPROVE),
    "someone of operations approves money": _post("clerk", APPROVE),
    "the right person approves another hash": _post("judge", APPROVE, sha256="0" * 64),
    "the administrator gives themself finance": _post(
        "boss", "/settings/users/boss/_/role/", role="finance"
    ),
    "the author gives a colleague finance": _post(
        "author", "/settings/users/clerk/_/role/", role="finance"
    ),
    "the author makes an account": _post("author", "/settings/users/new/", role="finance"),
}

# --- the trial ------------------------------------------------------------------------------------


def _by_sql(statement: str) -> Way:
    def way(scene: Scene) -> None:
        scene.sql(statement)

    return way


def ways() -> Iterator[tuple[str, Way, bool]]:
    """Each with whether it must leave all that counts as it was."""
    for name, statement in {**WRITES, **SWITCHES, **CALLS}.items():
        yield name, _by_sql(statement), True
    for name, way in PAGES.items():
        yield name, way, True
    for name, way in SERVICES.items():
        yield name, way, False


WAYS = list(ways())
STILL = [pytest.param(way, id=name) for name, way, still in WAYS if still]
MOVING = [pytest.param(way, id=name) for name, way, still in WAYS if not still]


@pytest.fixture(scope="module")
def lasting(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Scene]:
    """One scene for all ways that must leave everything as it was."""
    database = clone(template_database)
    with django_db_blocker.unblock():
        with serving(database.name):
            refusals.connect()
            yield set_scene()
            refusals.disconnect()
            connection.close()
        drop(database.name)


def try_way(way: Way, scene: Scene) -> None:
    known = refused_so_far()
    with contextlib.nullcontext() if way in PAGES.values() else pytest.raises(SAYS_NO):
        way(scene)
    connection.close()  # whatever was set for the session
    assert unapproved_in_force() == []
    assert refused_so_far() > known


def test_there_are_more_than_sixty_ways() -> None:
    assert len({name for name, _, _ in WAYS}) == len(WAYS) > 60


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("way", STILL)
def test_no_way_leads_round_the_approval_and_each_is_on_record(lasting: Scene, way: Way) -> None:
    before = state_of(lasting)
    try_way(way, lasting)
    assert state_of(lasting) == before


@pytest.mark.requirement("R14")
@pytest.mark.parametrize("way", MOVING)
def test_no_order_of_steps_leads_round_the_approval(committed_db: Database, way: Way) -> None:
    try_way(way, set_scene())
