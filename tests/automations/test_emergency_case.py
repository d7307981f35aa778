"""The case of an emergency: it ends with the review, and with nothing else."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.failures import Failure
from automations.services import failures
from automations.services.errors import NotPossible
from tests.automations.test_emergencies import agreed, by, waiting

pytestmark = pytest.mark.django_db


def test_its_case_is_closed_by_the_review_alone(finance_client: Client) -> None:
    found = agreed(waiting())
    case = Failure.objects.get(kind="emergency", key=str(found.pk))
    with pytest.raises(NotPossible, match="Review the emergency"):
        failures.solve_case(case.pk, version=case.version, text="Fine.", actor=by("finance"))
    case.refresh_from_db()
    assert case.state == Failure.State.OPEN
    page = finance_client.get(reverse("failure_detail", args=[case.pk])).content.decode()
    assert reverse("approval_detail", args=[found.document_id]) in page
    assert "act-solve" not in page
