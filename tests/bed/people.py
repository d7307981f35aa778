"""Personas: one member of staff per role, and clients that are signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from backoffice import roles
from backoffice.models import User

PASSWORD = "correct horse battery staple"  # test accounts only
MakeUser = Callable[..., User]
NAMES = {
    roles.OPERATIONS: ("Priya", "Shah"),
    roles.FINANCE: ("Daniel", "Okafor"),
    roles.SUPPORT: ("Amara", "Lewis"),
    roles.ADMINISTRATOR: ("Morgan", "Reid"),
    roles.AUDITOR: ("Ada", "Nilsson"),
}


def give_roles(user: User, *roles: str) -> None:
    """Give exactly these roles at once, as if the owner of the database had; none: take all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT depot_give_role(%s, %s)", [user.pk, list(roles)])


@pytest.fixture
def make_user(any_db: None) -> MakeUser:
    """Make a user of a role (None: no role at all); keywords set fields of the user."""
    made = 0

    def make(role: str | None, **fields: Any) -> User:
        nonlocal made
        made += 1
        first, last = NAMES.get(role or "", ("Sam", "Nobody"))
        values: dict[str, Any] = {
            "username": f"{role or 'nobody'}{made}",
            "first_name": first,
            "last_name": last,
        }
        values.update(fields)
        user = User.objects.create_user(password=PASSWORD, **values)
        if role:
            give_roles(user, role)
        return user

    return make


@pytest.fixture
def operations_user(make_user: MakeUser) -> User:
    return make_user(roles.OPERATIONS)


@pytest.fixture
def finance_user(make_user: MakeUser) -> User:
    return make_user(roles.FINANCE)


@pytest.fixture
def support_user(make_user: MakeUser) -> User:
    return make_user(roles.SUPPORT)


@pytest.fixture
def administrator_user(make_user: MakeUser) -> User:
    return make_user(roles.ADMINISTRATOR)


@pytest.fixture
def auditor_user(make_user: MakeUser) -> User:
    return make_user(roles.AUDITOR)


def signed_in(user: User) -> Client:
    """A test client that is signed in as the user."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def operations_client(operations_user: User) -> Client:
    return signed_in(operations_user)


@pytest.fixture
def finance_client(finance_user: User) -> Client:
    return signed_in(finance_user)


@pytest.fixture
def support_client(support_user: User) -> Client:
    return signed_in(support_user)


@pytest.fixture
def administrator_client(administrator_user: User) -> Client:
    return signed_in(administrator_user)


@pytest.fixture
def auditor_client(auditor_user: User) -> Client:
    return signed_in(auditor_user)
