"""A case in doubt, as its page shows it: keys of its own, and only what is known."""

from __future__ import annotations

import re

from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django.utils.text import capfirst

from automations.models.failures import Failure
from automations.services import doubts as verdicts
from backoffice.actors import person
from backoffice.models import User
from tests.automations import lines
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


def test_what_is_in_doubt_may_have_been_done_and_the_rest_was_not(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    _, case = in_doubt(outside)
    first, second = (capfirst(escape(words)) for words in case.not_done)
    page = part(signed_in(operations_user), case)
    maybe, not_done = page.index("May have been done"), page.index("<h3>Not done</h3>")
    assert maybe < page.index(f"<li>{first}") < not_done < page.index(f"<li>{second}")
    assert page.count(f"<li>{first}") == 1


def test_once_it_is_known_that_it_happened_the_case_says_done(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    account, case = in_doubt(outside, look_up=False)
    verdicts.it_happened(
        case.pk, version=case.version, reference="T-1", actor=person(operations_user)
    )
    lines.work_lanes(account)
    page = part(signed_in(operations_user), case)
    done, not_done = page.index("<h3>Done</h3>"), page.index("<h3>Not done</h3>")
    assert done < page.index("T-1") < page.index("Tagged after.") < not_done
    assert "May have been done" not in page
    assert page.index("Nothing is left.") > not_done
