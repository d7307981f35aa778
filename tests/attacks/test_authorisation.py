"""Every address, for every role and for nobody, with every method."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from backoffice.models import BulkJob, SavedView, User
from tests.attacks.routes import EVERYBODY, OPEN, OWN, Route, routes
from tests.attacks.world import World, make_world
from tests.bed.people import MakeUser, give_roles, signed_in

pytestmark = pytest.mark.django_db

WRITE = re.compile(r"\s*(WITH\b.*?\)\s*)?(INSERT|UPDATE|DELETE|COPY|MERGE|TRUNCATE)\b", re.I | re.S)
# What a visit may write: the session, the time of a sign-in.
OF_A_VISIT = ("django_session", "last_login")
# And what a refused attempt leaves.
ATTEMPT = 'INSERT INTO "backoffice_auditentry"'
PART = "_/bulk/<"


@pytest.fixture
def world(make_user: MakeUser) -> World:
    return make_world(make_user)


@contextmanager
def writes() -> Iterator[list[str]]:
    """The statements that wrote something meanwhile, sessions apart."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if WRITE.match(sql) and not any(word in sql for word in OF_A_VISIT):
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


def nothing_but_the_attempt(written: list[str], method: str) -> bool:
    """Whether only the record of a refused attempt was written; looking is no attempt."""
    return written == [] or (method != "get" and all(ATTEMPT in sql for sql in written))


def every(world: World) -> list[tuple[Route, str]]:
    """Each address of the product about a record that is there."""
    world.records["all"]["action_key"] = "orders.hold"
    return [(route, route.url(world.records)) for route in routes()]


def test_every_address_says_what_it_asks_for() -> None:
    unknown = [route.name for route in routes() if route.permission is None]
    assert unknown == []


def test_nobody_sees_or_does_anything_without_signing_in(world: World) -> None:
    client = Client()
    for route, url in every(world):
        if route.permission == OPEN:
            continue
        for method in ("get", "post", "put", "patch", "delete", "options", "head"):
            with writes() as written:
                answer = getattr(client, method)(url)
            assert (answer.status_code, written) == (302, []), (route.name, method)
            assert answer["Location"].startswith("/login/?next="), (route.name, method)


def test_somebody_without_a_role_sees_themselves_and_nothing_else(
    world: World, make_user: MakeUser
) -> None:
    client = signed_in(make_user(None))
    for route, url in every(world):
        if route.permission in (OPEN, EVERYBODY):
            continue
        for method in ("get", "post"):
            with writes() as written:
                answer = getattr(client, method)(url)
            assert answer.status_code in (403, 404, 405), (route.name, method)
            assert nothing_but_the_attempt(written, method), (route.name, method)


def test_each_role_opens_what_it_may_and_nothing_else(world: World) -> None:
    for role, user in world.people.items():
        client = signed_in(user)
        for route, url in every(world):
            if route.permission in (OPEN, OWN, EVERYBODY) or route.permission is None:
                continue
            allowed = user.has_perm(route.permission)
            for method in ("get", "post"):
                if allowed and method == "post":
                    continue
                with writes() as written:
                    answer = getattr(client, method)(url)
                said = (role, route.name, method, answer.status_code)
                if not allowed:
                    assert answer.status_code in (403, 405), said
                    assert nothing_but_the_attempt(written, method), said
                else:
                    assert answer.status_code not in (403, 500), said
                    assert not answer.get("Location", "").startswith("/login/"), said


def test_what_is_not_read_or_posted_is_refused(world: World) -> None:
    for role in ("operations", "finance"):
        client = signed_in(world.people[role])
        for route, url in every(world):
            if route.permission == OPEN or route.name == "logout":
                continue
            for method in ("put", "patch", "delete"):
                with writes() as written:
                    answer = getattr(client, method)(url)
                assert answer.status_code in (403, 404, 405), (route.name, method)
                assert nothing_but_the_attempt(written, method), (route.name, method)


def test_reading_writes_nothing(world: World) -> None:
    for role, user in world.people.items():
        client = signed_in(user)
        for route, url in every(world):
            if route.permission == OPEN:
                continue
            with writes() as written:
                answer: Any = client.get(url, HTTP_HX_REQUEST="true")
                if answer.streaming:
                    b"".join(answer.streaming_content)
            assert written == [], (role, route.name)
            assert answer.status_code < 500, (role, route.name)


def test_an_empty_form_breaks_nothing(world: World) -> None:
    for role, user in world.people.items():
        client = signed_in(user)
        for route, url in every(world):
            if route.name in ("logout", "login", "job_cancel", "view_delete"):
                continue
            answer = client.post(url, HTTP_HX_REQUEST="true")
            assert answer.status_code < 500, (role, route.name)


def test_nobody_touches_what_is_anothers_own(world: World) -> None:
    others = [user for role, user in world.people.items() if role != "operations"]
    for user in others:
        client = signed_in(user)
        for name in ("view_edit", "view_delete", "job_start"):
            (url,) = (url for route, url in every(world) if route.name == name)
            answer = client.post(url, {"name": "Taken", "shared": "on"})
            assert answer.status_code in (403, 404), (user, name)
    assert list(SavedView.objects.values_list("name", "shared")) == [("Mine", False)]
    assert BulkJob.objects.get().status == BulkJob.Status.DRAFT


def test_a_role_that_is_taken_away_ends_at_the_next_click(
    world: World, make_user: MakeUser
) -> None:
    user: User = make_user("finance")
    client = signed_in(user)
    assert client.get("/finance/refunds/").status_code == 200
    give_roles(user)
    assert client.get("/finance/refunds/").status_code == 403
