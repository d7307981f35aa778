"""A case in doubt, as its page shows it: keys of its own, and only what is known."""

from __future__ import annotations

import re

from django.test import Client
from django.urls import reverse

from automations.models.failures import Failure
from backoffice.models import User
from tests.automations.test_doubts import in_doubt
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.bed.people import signed_in


def part(client: Client, case: Failure) -> str:
    return client.get(reverse("failure_part", args=[case.pk])).content.decode()


def test_each_key_of_a_case_in_doubt_does_one_thing(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    _, case = in_doubt(outside)
    page = part(signed_in(operations_user), case)
    keys = re.findall(r'data-key="([^"]+)"', page)
    assert {"l", "u", "y", "n"} <= set(keys)
    assert sorted(keys) == sorted(set(keys))
    assert [key.upper() for key in keys] == re.findall(r"<kbd[^>]*>([^<JK])</kbd>", page)
