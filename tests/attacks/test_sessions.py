"""Signing in, staying signed in, and forms that come from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.test import Client

from backoffice import staff
from backoffice.actors import HOUSE
from backoffice.models import User
from tests.attacks.routes import OPEN, routes
from tests.attacks.test_authorisation import writes
from tests.attacks.world import make_world
from tests.bed.people import PASSWORD, MakeUser, signed_in
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place

pytestmark = pytest.mark.django_db


def sign_in(client: Client, name: str, password: str = PASSWORD, **given: Any) -> Any:
    address = given.pop("next", "")
    url = f"/login/?next={address}" if address else "/login/"
    return client.post(url, {"username": name, "password": password, "next": address}, **given)


def test_a_form_from_elsewhere_is_refused_on_every_address(make_user: MakeUser) -> None:
    world = make_world(make_user)
    user = make_user("administrator", is_superuser=True)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    world.records["all"]["action_key"] = "orders.hold"
    for route in routes():
        if route.name == "unsubscribe":  # mail programs press it themselves; its link is signed
            continue
        with writes() as written:
            answer = client.post(route.url(world.records))
        assert (answer.status_code, written) == (403, []), route.name


@pytest.mark.parametrize(
    "address",
    [
        "//evil.example",
        "https://evil.example/",
        "http:evil.example",
        "javascript:alert(1)",
        "/\\evil.example",
        "\\\\evil.example",
        "///evil.example",
        "https://testserver@evil.example/",
        "\x01//evil.example",
        " //evil.example",
    ],
)
def test_signing_in_leads_nowhere_else(operations_user: User, address: str) -> None:
    for client in (Client(), signed_in(operations_user)):
        answer = client.get("/login/", {"next": address})
        assert answer.get("Location", "/") == "/"
    answer = sign_in(Client(), operations_user.username, next=address)
    assert (answer.status_code, answer["Location"]) == (302, "/")


@pytest.mark.parametrize("back", ["//evil.example/orders/", "https://evil.example", "/orders/../x"])
def test_a_bulk_job_leads_back_to_its_list(operations_user: User, back: str) -> None:
    orders = [place(line(make_sku(stock=99))) for _ in range(21)]
    client = signed_in(operations_user)
    sent = {"ids": ",".join(str(order.pk) for order in orders), "back": back}
    answer = client.post("/orders/_/bulk/orders.release/", sent)
    assert answer.status_code == 302
    job = answer["Location"]
    cancelled = client.post(f"{job}cancel/")
    assert cancelled["Location"].startswith(("/orders/", "/jobs/"))


def test_signing_in_gives_a_session_of_its_own(operations_user: User) -> None:
    client = Client()
    client.cookies[configured.SESSION_COOKIE_NAME] = "chosen-by-an-attacker-0123456789ab"
    sign_in(client, operations_user.username)
    key = client.cookies[configured.SESSION_COOKIE_NAME].value
    assert key != "chosen-by-an-attacker-0123456789ab"
    assert Session.objects.get().session_key == key


def test_a_closed_account_is_out_at_the_next_click(
    operations_user: User, administrator_user: User
) -> None:
    client = signed_in(operations_user)
    assert client.get("/orders/").status_code == 200
    staff.deactivate_members([operations_user.pk], actor=HOUSE)
    answer = client.get("/orders/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/orders/")
    assert sign_in(Client(), operations_user.username).status_code == 200
    staff.activate_members([operations_user.pk], actor=HOUSE)
    assert client.get("/orders/").status_code == 302


def test_a_new_password_ends_the_other_sessions(operations_user: User) -> None:
    here, elsewhere = signed_in(operations_user), signed_in(operations_user)
    new = "another horse battery staple"
    answer = here.post(
        "/me/password/",
        {"old_password": PASSWORD, "new_password1": new, "new_password2": new},
    )
    assert answer.status_code == 302
    assert here.get("/orders/").status_code == 200
    assert elsewhere.get("/orders/").status_code == 302
    assert sign_in(Client(), operations_user.username).status_code == 200
    assert sign_in(Client(), operations_user.username, new).status_code == 302


@pytest.mark.parametrize("wrong", ["", "short", "password12345678", "wrong horse battery staple"])
def test_a_password_is_changed_only_by_who_knows_it(operations_user: User, wrong: str) -> None:
    client = signed_in(operations_user)
    new = "another horse battery staple"
    answer = client.post(
        "/me/password/", {"old_password": wrong, "new_password1": new, "new_password2": new}
    )
    assert answer.status_code == 422
    operations_user.refresh_from_db()
    assert operations_user.check_password(PASSWORD)


@pytest.fixture
def throttled(settings: Any) -> None:
    settings.AXES_ENABLED = True


def test_wrong_passwords_lock_a_name_from_one_address_and_nobody_else(
    throttled: None, operations_user: User, finance_user: User
) -> None:
    attacker = {"REMOTE_ADDR": "203.0.113.9"}
    for number in range(5):
        spoofed = {**attacker, "HTTP_X_FORWARDED_FOR": f"198.51.100.{number}"}
        sign_in(Client(), operations_user.username, "wrong", **spoofed)
    locked = sign_in(Client(), operations_user.username, **attacker)
    assert locked.status_code == 429
    assert sign_in(Client(), operations_user.username, REMOTE_ADDR="192.0.2.1").status_code == 302
    assert sign_in(Client(), finance_user.username, **attacker).status_code == 302


def test_a_refusal_does_not_say_which_names_there_are(
    operations_user: User, make_user: MakeUser
) -> None:
    closed = make_user("support", is_active=False)
    pages = {
        sign_in(Client(), name, "wrong").content.decode().replace(name, "")
        for name in (operations_user.username, "nobody-of-that-name", closed.username)
    }
    without_tokens = {
        "".join(line for line in page.splitlines() if "csrf" not in line) for page in pages
    }
    assert len(without_tokens) == 1


def test_leaving_takes_a_press_of_the_button(operations_client: Client) -> None:
    assert operations_client.get("/logout/").status_code == 405
    assert operations_client.get("/orders/").status_code == 200
    operations_client.post("/logout/")
    assert operations_client.get("/orders/").status_code == 302


def test_every_answer_tells_browsers_what_not_to_do(make_user: MakeUser) -> None:
    world = make_world(make_user)
    client = signed_in(world.people["operations"])
    world.records["all"]["action_key"] = "orders.hold"
    for route in routes():
        if route.permission == OPEN:
            continue
        answer = client.get(route.url(world.records))
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy, route.name
        assert "unsafe" not in policy, route.name
        assert answer["X-Content-Type-Options"] == "nosniff", route.name
        assert answer["X-Frame-Options"] == "DENY", route.name
