"""Each template of the rule library: valid, true to its examples, and readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from automations.models.rules import Rule
from automations.rules.library import RuleTemplate, read_template, rule_templates, search
from automations.rules.validating import validate_document
from automations.rules.words import rule_in_words
from automations.views.library import trial_of

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("template", rule_templates(), ids=lambda template: template.key)
# What the library is for: each is found by the words people would look for it with.
LOOKED_FOR = {
    "high value": "high-value-abroad",
    "fragile": "fragile",
    "vip": "vip",
    "duplicate": "duplicate-order",
    "address problem": "hold-address",
    "low stock": "stock-low",
    "overstock": "overstock",
    "late shipment": "late-shipment",
    "return received": "return-received",
    "condition of returned goods": "return-unclaimed",
    "refund limit": "refund-cancelled",
    "unanswered": "unanswered-ticket",
}


def test_there_are_enough_and_each_stands_once() -> None:
    keys = [template.key for template in rule_templates()]
    assert len(keys) >= 15
    assert len(set(keys)) == len(keys)
    assert len({template.name for template in rule_templates()}) == len(keys)
    assert {template.domain for template in rule_templates()} == set(Rule.Domain.values)


@EACH
def test_a_template_is_a_document_without_problems(template: RuleTemplate) -> None:
    assert validate_document(template.body) == []
    assert template.domain in Rule.Domain.values


@EACH
def test_its_examples_are_judged_as_it_says(template: RuleTemplate) -> None:
    fires, passes = trial_of(template), trial_of(template, "passes")
    assert (fires.verdict, passes.verdict) == ("yes", "no")
    assert [step.problem for step in fires.steps if step.problem] == []
    assert fires.steps


@EACH
def test_its_words_read_well(template: RuleTemplate) -> None:
    told = rule_in_words(template.document)
    said = [template.purpose, template.fallback, template.fires.says, template.passes.says]
    for text in (*said, told.paragraph):
        assert text[0].isupper() or text[0] in "£0123456789", text
        assert text.endswith("."), text
        assert "!" not in text
        assert "  " not in text
    assert not template.name.endswith(".")
    # Stored names and JSON are for the engine.
    shown = re.sub(r"\{\{.*?\}\}", "", told.paragraph)
    assert not re.search(r"[a-z]+_[a-z]+|\{|\}|\bNone\b|\b[a-z]+\.[a-z]+\b", shown), shown
    for step in trial_of(template).steps:
        assert step.words[0].isupper()
        assert "{" not in step.words


@pytest.mark.parametrize(("words", "key"), LOOKED_FOR.items(), ids=LOOKED_FOR)
def test_people_find_it_by_their_own_words(words: str, key: str) -> None:
    assert key in {template.key for template in search(words)}


def test_words_that_fit_nothing_find_nothing() -> None:
    assert search("unicorn") == []
    for sentence in ("tell me about fragile items", "Fragile items?", "about fragile unicorns"):
        assert search(sentence)[0].key == "fragile", sentence
    assert len(search("  ")) == len(rule_templates())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "Invalid value"),
        ('name = "A rule"', "Field required"),
        ('name = "A rule"\nsurprise = 1', "Extra inputs"),
    ],
)
def test_a_broken_file_says_which_and_why(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ImproperlyConfigured, match=says) as caught:
        read_template(path)
    assert "broken.toml" in str(caught.value)
