"""What a step sends is told whole to whoever approves it, not only named."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from automations.queries import dossier
from automations.rules.differences import difference
from automations.rules.parsing import parse_document
from automations.rules.words import rule_in_words
from automations.services.dossier_pdf import as_pdf
from backoffice.models import User
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.shop import REGISTRIES, document
from tests.bed.people import signed_in

LONG = (
    "The parcel {{ parcel.number }} is dear.\nLook at it. " + "Weigh it, then weigh it again. " * 5
)
BODY = '{\n  "text": "{{ parcel.number }} is dear",\n  "to": "everyone"\n}'


def ticket(uid: str, note: str) -> dict[str, Any]:
    given = {"subject": "Check {{ order.number }}", "priority": "low", "note": note}
    return {"uid": uid, "do": "shop.open_ticket", "with": given}


def test_a_step_tells_the_texts_that_its_words_leave_out() -> None:
    told = rule_in_words(parse_document(document(steps=[ticket("a", "Ask first.")])), REGISTRIES)
    (step,) = told.steps
    assert step.words == "open a ticket “Check {{ order.number }}”"
    assert [(text.label, text.text) for text in step.texts] == [("Note", "Ask first.")]
    assert "Ask first." not in told.paragraph
    assert told.whole.endswith("\n1 Note: Ask first.")


def test_a_new_step_is_told_with_what_it_sends_wherever_it_stands() -> None:
    held = {"field": "order.is_held", "op": "is", "value": True}
    inner = [ticket("b", "Held."), ticket("c", "Held long.")]
    steps = [ticket("a", "Ask first."), {"uid": "i", "if": held, "then": inner}]
    new = parse_document(document(steps=steps))
    old = parse_document(document(steps=[ticket("z", "No more.")]))
    said = "open a ticket “Check {{ order.number }}”"
    sent = ["Note: Ask first.", f"{said}: note: Held.", f"{said}: note: Held long."]
    for before in (None, old):
        found = difference(before, new, REGISTRIES)
        added = [known for known in found if known.title == "New step"]
        assert [str(text) for known in added for text in known.texts] == sent
        assert not any("Held." in known.sentence for known in found)
    gone = next(known for known in difference(old, new, REGISTRIES) if known.kind == "removed")
    assert gone.whole == f"Step removed: {said}\nNote: No more."


def sender() -> list[dict[str, Any]]:
    """The steps of a rule that calls a service."""
    account = lines.web_account("http://127.0.0.1:9", name="Notes service")
    return [lines.call_step(account, path="/notes/{parcel.number}", body=BODY)]


@pytest.mark.django_db
def test_the_approver_of_a_first_version_reads_what_will_be_sent(finance_user: User) -> None:
    rule = make.make_rule(steps=sender())
    version = make.submit(rule)
    page = signed_in(finance_user).get(reverse("approval_detail", args=[version.pk]))
    changes, told = page.context["changes"], page.context["told"]
    assert [text.text for shown in changes for text in shown.change.texts] == [BODY]
    assert [text.text for step in told.steps for text in step.texts] == [BODY]
    before = page.content.decode().partition("What exactly is signed")[0]
    assert before.count("&quot;to&quot;: &quot;everyone&quot;") == 2


@pytest.mark.django_db
def test_the_page_and_the_evidence_of_a_rule_have_what_it_sends(auditor_user: User) -> None:
    rule = make.make_rule(steps=sender())
    make.make_live(rule)
    page = signed_in(auditor_user).get(reverse("rule_detail", args=[rule.slug])).content.decode()
    assert "&quot;to&quot;: &quot;everyone&quot;" in page
    found = dossier.gather(rule, for_whom=auditor_user)
    assert f"1 Body: {BODY}" in found.words
    (sheet,) = [each for each in found.sheets if each.key == "differences"]
    assert any(f"Body: {BODY}" in cell for row in sheet.rows for cell in row)
    assert as_pdf(found).startswith(b"%PDF-")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["automations.mail_staff", "automations.post_message"])
def test_the_text_of_a_mail_and_of_a_message_is_told_whole(kind: str) -> None:
    given = {"account": "post", "to": "owner", "subject": "Dear parcel", "text": {"text": LONG}}
    if kind == "automations.post_message":
        given = {"account": "post", "text": {"text": LONG}}
    step = {"uid": "a1", "do": kind, "with": given}
    told = rule_in_words(parse_document(document(steps=[step])))
    assert [(text.label, text.text) for text in told.steps[0].texts] == [("Text", LONG)]
    assert LONG not in told.paragraph
