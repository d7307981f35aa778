"""The audit log names what it is about."""

from __future__ import annotations

import pytest
from django.test import Client

from automations.models.documents import Document
from backoffice import audit
from backoffice.actors import HOUSE
from backoffice.models import User
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def test_rules_versions_and_people_stand_there_by_name(
    auditor_client: Client, auditor_user: User
) -> None:
    rule = make.live_rule(name="Tell support about large orders")
    document = Document.objects.get(rule=rule)
    audit.record("access.signed_in", "backoffice.user", auditor_user.pk, actor=HOUSE, first=None)
    page = auditor_client.get("/settings/audit/").content.decode()
    assert f'">{rule.name}</a>' in page
    assert f"{rule.name}, version {document.version}" in page
    assert str(auditor_user) in page.partition("<tbody")[2]
    assert "first: none" in page
    export = auditor_client.get("/settings/audit/_/export/").getvalue().decode()
    assert f"rule {rule.pk}" in export
