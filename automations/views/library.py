"""The template library: rules to start from, each with an example that starts it and one not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from automations.conditions.display import listed
from automations.engine.in_force import business_zone
from automations.models.rules import Rule
from automations.rules import library
from automations.rules.library import RuleTemplate
from automations.rules.words import RuleWords, rule_in_words
from automations.services import rules
from automations.services.approving import SUITABLE
from automations.simulation.trial import Trial, tried
from automations.tables import DOMAIN_ICONS, risk_pill
from automations.views.drafting import signed_in
from backoffice.actors import person
from backoffice.workbench import respond

may_add = permission_required("automations.add_rule", raise_exception=True)


@dataclass(frozen=True, slots=True)
class Shown:
    """A template as its card tells it. `does` is what it does in its example, step by step."""

    template: RuleTemplate
    told: RuleWords
    does: list[str]
    risk: SafeString
    deciders: str


@dataclass(frozen=True, slots=True)
class Group:
    domain: str
    label: str
    icon: str
    cards: list[Shown]


def trial_of(template: RuleTemplate, which: str = "fires") -> Trial:
    """What a template does with one of its examples, `fires` or `passes`; nothing is done."""
    sample = template.fires if which == "fires" else template.passes
    facts, lists = sample.stored(template.catalogue)
    at = sample.at.astimezone(business_zone())
    return tried(template.document, template.catalogue, facts, lists, at)


def _shown(template: RuleTemplate) -> Shown:
    risk = rules.risk_of(template.document)
    return Shown(
        template,
        rule_in_words(template.document),
        [step.words for step in trial_of(template).steps],
        risk_pill(risk.value),
        listed(SUITABLE[risk], "or"),
    )


def _groups(found: Sequence[RuleTemplate]) -> list[Group]:
    groups = []
    for domain, label in Rule.Domain.choices:
        cards = [_shown(each) for each in found if each.domain == domain]
        if cards:
            groups.append(Group(domain, str(label), DOMAIN_ICONS.get(domain, "bolt"), cards))
    return groups


@may_add
@require_GET
def template_list(request: HttpRequest) -> HttpResponse:
    """Templates to begin a rule from, narrowed down by words and domain."""
    words, domain = request.GET.get("q", "").strip(), request.GET.get("domain", "")
    alike = library.search(words)
    counted = [
        (key, label, sum(each.domain == key for each in alike))
        for key, label in Rule.Domain.choices
    ]
    found = [each for each in alike if domain in ("", each.domain)]
    context = {
        "words": words,
        "domain": domain,
        "domains": [(key, label, count) for key, label, count in counted if count or key == domain],
        "alike": len(alike),
        "found": len(found),
        "groups": _groups(found),
    }
    part = request.headers.get("HX-Target") == "templates"
    name = "automations/_templates.html" if part else "automations/template_list.html"
    response = render(request, name, context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@may_add
@require_POST
def template_use(request: HttpRequest, key: str) -> HttpResponse:
    """Make a rule of one's own from a template: a draft like any other, approved by nobody."""
    template = library.rule_template(key)
    if template is None:
        raise Http404
    rule = rules.create_rule(
        name=template.name,
        domain=template.domain,
        body=template.body,
        purpose=template.purpose,
        fallback=template.fallback,
        actor=person(signed_in(request)),
    )
    words = "This draft is yours. Change what you like; nothing acts before it is approved."
    return respond.go(request, reverse("rule_edit", args=[rule.slug]), words)
