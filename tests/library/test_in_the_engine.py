"""Each template, approved and live, in the real engine: acts in one scene, not in the other."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.rules import Draft, Rule
from automations.models.runs import Effect, Run
from automations.rules.document import Ask, Do, Every, walk_steps
from automations.rules.library import RuleTemplate, rule_templates
from automations.services import rules
from backoffice.actors import HOUSE, person
from support.models import OutgoingMail
from support.services.consent import record_consent
from tests.automations import factories as make
from tests.automations.schedules import come_round
from tests.library.happenings import inspected, left_behind, order, waits
from tests.library.scenes import SCENES
from tests.orders.factories import make_channel

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("template", rule_templates(), ids=lambda template: template.key)


def live(template: RuleTemplate) -> Rule:
    """The template as a rule that its proper approver has agreed to."""
    rule = rules.create_rule(
        name=template.name,
        domain=template.domain,
        body=template.body,
        purpose=template.purpose,
        fallback=template.fallback,
        actor=person(make.author()),
    )
    make.make_live(rule)
    return rule


def work(template: RuleTemplate, rule: Rule) -> None:
    """Let the rule come round, if it is on a schedule, and the engine finish."""
    if isinstance(template.document.trigger, Every):
        assert come_round(timezone.now() + timedelta(days=32)) > 0
    make.work_all()


def test_every_template_has_its_scenes() -> None:
    assert set(SCENES) == {template.key for template in rule_templates()}


@EACH
def test_it_acts_on_what_it_is_for(template: RuleTemplate) -> None:
    rule, scene = live(template), SCENES[template.key]
    scene.fires()
    work(template, rule)
    (run,) = Run.objects.filter(rule_id=rule.pk)
    assert run.state == scene.ends, (run.state, run.outcome)
    steps = [step for _, step in walk_steps(template.document.steps)]
    taken = set(Effect.objects.filter(run_id=run.pk).values_list("uid", flat=True))
    assert taken == {step.uid for step in steps if isinstance(step, Do)}
    asked = [step.ask.question for step in steps if isinstance(step, Ask)]
    assert [case.says for case in Failure.objects.filter(run_id=run.pk)] == asked


@EACH
def test_it_leaves_alone_what_it_is_not_for(template: RuleTemplate) -> None:
    rule, scene = live(template), SCENES[template.key]
    scene.passes()
    work(template, rule)
    assert not Run.objects.filter(rule_id=rule.pk).exists()
    assert not Effect.objects.exists()
    assert not Failure.objects.filter(rule=rule).exists()


def test_what_was_shipped_meanwhile_is_not_late() -> None:
    template = next(each for each in rule_templates() if each.key == "late-shipment")
    rule = live(template)
    waits(order(), ships=True)
    make.work_all()
    (run,) = Run.objects.filter(rule_id=rule.pk)
    assert run.state == "overtaken"
    assert not Effect.objects.exists()


@pytest.mark.requirement("R34")
def test_whoever_ordered_meanwhile_by_another_way_is_not_reminded() -> None:
    template = next(each for each in rule_templates() if each.key == "cart-reminder")
    rule = live(template)
    cart = left_behind("64.00")
    order(customer_id=cart.customer_id, channel=make_channel("phone"))
    make.work_all()
    (run,) = Run.objects.filter(rule_id=rule.pk)
    assert run.state == "overtaken"
    assert not OutgoingMail.objects.exists()


def test_whoever_left_a_cart_and_agreed_to_news_is_reminded_once() -> None:
    template = next(each for each in rule_templates() if each.key == "cart-reminder")
    live(template)
    cart = left_behind("64.00")
    assert cart.customer_id is not None
    record_consent(
        cart.customer_id, medium="mail", purpose="marketing", given=True, source="form",
        wording="News by mail", actor=HOUSE,
    )  # fmt: skip
    make.work_all()
    mail = OutgoingMail.objects.get()
    assert (mail.customer_id, mail.state) == (cart.customer_id, "queued")


def test_a_claim_within_the_day_needs_no_question() -> None:
    template = next(each for each in rule_templates() if each.key == "return-unclaimed")
    rule = live(template)
    inspected(scrap=True, claims=True)
    make.work_all()
    (run,) = Run.objects.filter(rule_id=rule.pk)
    assert (run.state, run.outcome) == ("done", "Nothing was to be done.")
    assert not Failure.objects.exists()


def test_a_template_that_is_submitted_says_what_it_said_in_the_library() -> None:
    template = rule_templates()[0]
    rule = live(template)
    (document,) = Document.objects.filter(rule=rule)
    assert json.loads(document.text)["steps"] == [
        json.loads(json.dumps(step)) for step in template.body["steps"]
    ]
    assert Draft.objects.get(rule=rule).body == template.body
