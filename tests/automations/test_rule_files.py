"""Rules as files: out and back the same, in only as drafts, hostile ones refused at their line."""

from __future__ import annotations

from typing import Any

import pytest

from automations.actions import actions
from automations.models.documents import Activation, Document
from automations.models.rules import Draft, DraftRevision, Rule
from automations.rules.canonical import canonical, content_hash, contracts_of
from automations.rules.files import read_rules, write_rule
from automations.rules.library import RuleTemplate, rule_templates
from automations.rules.parsing import parse_document
from automations.rules.yaml_text import YamlInvalid
from automations.services import approving, rule_files, rules
from automations.services.errors import NotPossible, Stale
from automations.triggers import triggers
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.automations import lines

pytestmark = pytest.mark.django_db
EACH = pytest.mark.parametrize("template", rule_templates(), ids=lambda template: template.key)


def sha(body: Any) -> str:
    """The hash that an approval of this body would be bound to."""
    document = parse_document(body)
    return content_hash(canonical(document), [], contracts_of(document, triggers, actions))


def counts() -> tuple[int, int, int]:
    return Rule.objects.count(), DraftRevision.objects.count(), AuditEntry.objects.count()


def take_in(text: str, importer: User | None = None, **options: Any) -> rule_files.Plan:
    user = importer or make.author()
    return rule_files.carry_out(text, importer=user, actor=person(user), **options)


def changed(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


# --- there and back -----------------------------------------------------------------------------


@EACH
def test_every_template_comes_back_from_its_file_with_the_same_hash(
    template: RuleTemplate,
) -> None:
    rule = rules.create_rule(
        name=template.name,
        domain=template.domain,
        body=template.body,
        actor=person(make.author()),
        purpose=template.purpose,
        fallback=template.fallback,
    )
    text = rule_files.export_rule(rule)
    assert rule_files.export_rule(rule) == text
    (planned,) = take_in(text).rules
    assert planned.state == "unchanged"

    there = changed(text, f"key: {rule.slug}\n", "key: another-company\n")
    take_in(there)
    back = Rule.objects.get(slug="another-company")
    draft = Draft.objects.get(rule=back)
    assert sha(draft.body) == sha(template.body)
    assert (back.name, back.purpose, back.domain, back.fallback, back.owner) == (
        template.name,
        template.purpose,
        template.domain,
        template.fallback,
        rule.owner,
    )
    assert (
        changed(rule_files.export_rule(back), "key: another-company\n", f"key: {rule.slug}\n")
        == text
    )


def test_all_templates_travel_in_one_file() -> None:
    made = [
        rules.create_rule(
            name=each.name,
            domain=each.domain,
            body=each.body,
            actor=person(make.author()),
            fallback=each.fallback,
        )
        for each in rule_templates()
    ]
    text = "---\n".join(text for _, text in rule_files.export_rules(made))
    plan = take_in(text)
    assert plan.count("unchanged") == len(made) == len(rule_templates())


def test_a_file_reads_like_a_person_would_write_it() -> None:
    rule = make.make_rule(name="Tag dear parcels")
    assert rule_files.export_rule(rule) == (
        "# A rule of Countersign. Importing it makes a draft: nothing acts before it is approved.\n"
        "key: tag-dear-parcels\n"
        "name: Tag dear parcels\n"
        "domain: orders\n"
        "owner: author\n"
        "fallback: Tag it by hand.\n"
        "rule:\n"
        "  schema: 1\n"
        "  trigger:\n"
        "    on: depot.parcel_arrived\n"
        "  when:\n"
        "    all:\n"
        "      - field: parcel.total\n"
        "        op: gte\n"
        '        value: {amount: "100", currency: GBP}\n'
        "  steps:\n"
        "    - uid: a1\n"
        "      do: depot.add_tag\n"
        "      with:\n"
        "        tag: high-value\n"
        "  missing_data: hold\n"
        "  connector_down: wait\n"
        "  latency: real_time\n"
    )


def test_what_is_in_force_is_exported_and_the_draft_only_when_asked_for() -> None:
    rule = make.live_rule()
    draft = Draft.objects.get(rule=rule)
    draft.body = make.body(steps=make.steps("depot.add_tag", tag="later"))
    draft.save(update_fields=["body"])
    assert "tag: high-value" in rule_files.export_rule(rule)
    assert "tag: later" in rule_files.export_rule(rule, draft=True)


# --- in as drafts -------------------------------------------------------------------------------


def test_an_import_is_an_unapproved_draft_whose_editor_is_the_importer() -> None:
    text = changed(rule_files.export_rule(make.live_rule()), "owner: author\n", "")
    importer = make.staff("operations", "importer")
    take_in(changed(text, "key: ", "key: my-"), importer)
    rule = Rule.objects.get(slug__startswith="my-")
    assert (rule.owner, rule.created_by) == (importer, importer)
    assert not Document.objects.filter(rule=rule).exists()
    assert not Activation.objects.filter(rule=rule).exists()
    assert DraftRevision.objects.get(rule=rule).editor == importer
    assert AuditEntry.objects.filter(verb="rules.imported", subject_id=rule.pk).exists()


def test_an_import_into_a_live_rule_changes_its_draft_and_bars_its_importer_as_approver() -> None:
    rule = make.live_rule()
    live = Document.objects.get(rule=rule)
    text = changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear")
    importer = make.staff("operations", "importer")
    take_in(text, importer, others=True)
    assert Activation.objects.in_force().get(rule=rule).document == live
    draft = Draft.objects.get(rule=rule)
    assert draft.body["steps"][0]["with"] == {"tag": "dear"}
    assert draft.updated_by == importer
    document = make.submit(rule)
    assert approving.why_not(document, importer) is not None


def test_an_import_withdraws_the_version_that_waits_for_approval() -> None:
    rule = make.make_rule()
    waiting = make.submit(rule)
    take_in(changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear"))
    waiting.refresh_from_db()
    assert waiting.state == Document.State.WITHDRAWN


def test_a_file_that_says_what_is_there_changes_nothing() -> None:
    rule = make.make_rule()
    text = rule_files.export_rule(rule)
    waiting = make.submit(rule)
    before = counts()
    plan = take_in(text)
    assert plan.count("unchanged") == 1
    assert counts() == before
    waiting.refresh_from_db()
    assert waiting.state == Document.State.SUBMITTED


def test_what_people_read_is_told_and_changed_too() -> None:
    rule = make.make_rule(name="Old name")
    text = changed(rule_files.export_rule(rule), "name: Old name", "name: New name")
    text = changed(text, "rule:\n", 'minutes_saved: "2.5"\nexpected_per_day_max: 40\nrule:\n')
    plan = rule_files.plan(text, importer=make.author())
    assert [change.sentence for change in plan.rules[0].described] == [
        "Name: Old name → New name",
        "Expected a day, at most: 40",
        "Minutes saved a run: 0.00 → 2.5",
    ]
    assert plan.rules[0].changes == []
    take_in(text)
    rule.refresh_from_db()
    assert (rule.name, str(rule.minutes_saved), rule.expected_per_day_max) == (
        "New name",
        "2.50",
        40,
    )
    assert DraftRevision.objects.filter(rule=rule).count() == 1


def test_an_owner_nobody_knows_has_to_be_chosen() -> None:
    rule = make.make_rule()
    text = changed(rule_files.export_rule(rule), "owner: author", "owner: someone.gone")
    text = changed(text, "key: ", "key: my-")
    before = counts()
    with pytest.raises(NotPossible, match=r"Nobody called “someone\.gone” may own rules here"):
        take_in(text)
    assert counts() == before
    chosen = make.staff("operations", "chosen")
    take_in(text, owner=chosen)
    assert Rule.objects.get(slug__startswith="my-").owner == chosen


def test_a_rule_of_another_is_changed_only_when_that_is_said() -> None:
    rule = make.make_rule(name="Theirs")
    importer = make.staff("operations", "importer")
    text = changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear")
    before = counts()
    with pytest.raises(NotPossible, match="“Theirs”"):
        take_in(text, importer)
    assert counts() == before
    take_in(text, importer, others=True)
    assert Draft.objects.get(rule=rule).body["steps"][0]["with"] == {"tag": "dear"}


def test_a_draft_that_changed_after_it_was_looked_at_is_not_written_over() -> None:
    rule = make.make_rule()
    text = changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear")
    seen = rule_files.plan(text, importer=make.author()).seen
    take_in(changed(text, "tag: dear", "tag: meanwhile"))
    before = counts()
    with pytest.raises(Stale):
        take_in(text, seen=seen)
    assert counts() == before


def test_one_rule_that_can_not_be_read_keeps_all_of_its_file_out() -> None:
    good = rule_files.export_rule(make.make_rule())
    good = changed(good, "key: ", "key: my-")
    bad = changed(changed(good, "key: my-", "key: your-"), "depot.add_tag", "depot.launch_rocket")
    before = counts()
    with pytest.raises(NotPossible, match=r"depot\.launch_rocket"):
        take_in(f"{good}---\n{bad}")
    assert counts() == before


def test_a_retired_rule_does_not_come_back_by_a_file() -> None:
    rule = make.make_rule()
    text = changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear")
    rules.retire_rule(rule.pk, version=1, why="Old.", actor=person(make.author()))
    with pytest.raises(NotPossible, match="retired"):
        take_in(text)


@pytest.mark.parametrize("key", ["stop", "templates", "import", "review", "inventory"])
def test_a_key_at_which_a_page_stands_is_refused(key: str) -> None:
    text = write_rule({"key": key, "name": "A rule", "domain": "orders"}, make.body())
    (planned,) = rule_files.plan(text, importer=make.author()).rules
    assert any(each.problem.path == "key" for each in planned.blocking)


def test_no_secret_is_in_a_file() -> None:
    account = lines.web_account("http://127.0.0.1:9", token="very-secret-token")
    with_call = [
        {
            "uid": "c1",
            "do": "automations.call_http",
            "with": {"account": account.key, "method": "GET", "path": "/"},
        }
    ]
    text = rule_files.export_rule(make.make_rule(steps=with_call))
    assert account.key in text
    assert "very-secret-token" not in text


# --- what is wrong, and where -------------------------------------------------------------------

GOOD = write_rule(
    {"key": "good", "name": "Good rule", "domain": "orders", "fallback": "By hand."}, make.body()
)


def faults(text: str) -> list[tuple[int, str]]:
    (planned,) = rule_files.plan(text, importer=make.author()).rules
    return [(each.line, each.problem.path) for each in planned.blocking]


@pytest.mark.parametrize(
    ("before", "after", "line", "path"),
    [
        ("domain: orders", "domain: sales", 4, "domain"),
        ("name: Good rule", "name: [Good]", 3, "name"),
        ("name: Good rule", 'name: "  "', 3, "name"),
        ("key: good", "key: ../../etc", 2, "key"),
        ("op: gte", "op: is_nice_to", 13, "rule.when.all.0.op"),
        ("op: gte", "oops: gte", 13, "rule.when.all.0.oops"),
        ("on: depot.parcel_arrived", "on: depot.nothing", 9, "rule.trigger.on"),
        ("do: depot.add_tag", "do: depot.launch", 17, "rule.steps.0.do"),
        ("schema: 1", "schema: one", 7, "rule.schema"),
        ("fallback: By hand.", "fallback: 12", 5, "fallback"),
        ("fallback: By hand.", "minutes_saved: many", 5, "minutes_saved"),
        ("fallback: By hand.", "review_on: soon", 5, "review_on"),
        ("fallback: By hand.", "approved_by: daniel", 5, "approved_by"),
        ("fallback: By hand.", "position: true", 5, "position"),
    ],
)
def test_a_fault_is_told_with_its_line_and_field(
    before: str, after: str, line: int, path: str
) -> None:
    found = faults(changed(GOOD, before, after))
    assert (line, path) in found, found


HOSTILE = {
    "a billion laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
    "an anchor": GOOD.replace("name: Good rule", "name: &n Good rule"),
    "a merge": "base: &base {a: 1}\nrule:\n  <<: *base\n",
    "a tag that runs code": 'key: !!python/object/apply:os.system ["id"]\n',
    "a tag of its own": "key: !secret x\n",
    "a key twice": GOOD.replace("domain: orders", "domain: orders\ndomain: finance"),
    "a list as a key": "? [a, b]\n: c\n",
    "no YAML": "key: [unclosed\n",
    "a null character": "key: a\0b\n",
    "half a character": "key: \ud800\n",
    "deep lists": "[" * 5_000,
    "deep blocks": "- " * 5_000,
    "deep keys": "? " * 5_000,
    "many values": "-\n" * 250_000,
    "too large": "# " + "x" * 600_000,
    "a key without end": f"{'k' * 900}: 1\n",
    "nothing": "",
    "a comment": "# nothing\n",
    "an unknown directive": "%EVIL yes\n---\na: 1\n",
    "too many rules": "---\na: 1\n" * 600,
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_with_its_line_and_nothing_changes(text: str) -> None:
    author, before = make.author(), counts()
    with pytest.raises(YamlInvalid) as caught:
        rule_files.plan(text, importer=author)
    assert caught.value.line >= 1
    assert str(caught.value).endswith(".")
    assert counts() == before


@pytest.mark.parametrize(
    "text",
    ["just words\n", "- a\n- b\n", "42\n", "rule: x\n",
     "key: a\nname: b\ndomain: orders\nrule: []\n", f"{GOOD}---\n{GOOD}"],
    ids=["words", "a list", "a number", "no key", "a list as a rule", "the same key twice"],
)  # fmt: skip
def test_what_is_no_rule_is_told_so(text: str) -> None:
    plan = rule_files.plan(text, importer=make.author())
    assert not plan.ready


def test_only_the_nearest_line_is_told_for_what_is_missing() -> None:
    found = faults(changed(GOOD, "domain: orders\n", ""))
    assert (2, "domain") in found or (1, "domain") in found, found


def test_amounts_without_quotes_are_read_as_they_are_written() -> None:
    (read,) = read_rules(changed(GOOD, 'amount: "100.00"', "amount: 100"))
    assert read.file is not None
    assert read.file.rule["when"]["all"][0]["value"] == {"amount": "100", "currency": "GBP"}
