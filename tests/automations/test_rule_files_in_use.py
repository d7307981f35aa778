"""Rules as files by `manage.py rules` and in the browser."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from automations.models.rules import Draft, DraftRevision, Rule
from automations.rules.files import write_rule
from automations.services import rule_files
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db
GOOD = write_rule(
    {"key": "good", "name": "Good rule", "domain": "orders", "fallback": "By hand."}, make.body()
)


def counts() -> tuple[int, int, int]:
    return Rule.objects.count(), DraftRevision.objects.count(), AuditEntry.objects.count()


def changed(text: str, before: str, after: str) -> str:
    assert before in text
    return text.replace(before, after)


# --- manage.py rules ----------------------------------------------------------------------------


def manage(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("rules", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_rules_go_to_a_folder_and_come_back_unchanged(tmp_path: Path) -> None:
    live, draft = make.live_rule(name="Live"), make.make_rule(name="Only drafted")
    manage("export", "--active", "--to", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{live.slug}.yaml"]
    manage("export", "--all", "--to", str(tmp_path))
    assert {path.stem for path in tmp_path.iterdir()} == {live.slug, draft.slug}
    out, _ = manage("diff", str(tmp_path))
    assert out == ""
    before = counts()
    out, _ = manage("import", str(tmp_path), "--as", "author")
    assert "0 new, 0 changed, 2 unchanged." in out
    assert counts() == before


def test_diff_says_in_words_how_a_file_differs_from_what_is_in_force(tmp_path: Path) -> None:
    rule = make.live_rule(name="Dear parcels")
    path = tmp_path / "rule.yaml"
    path.write_text(changed(rule_files.export_rule(rule), '"100"', '"150"'))
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("rules", "diff", str(path), stdout=out)
    assert caught.value.returncode == 1
    assert out.getvalue().startswith("Dear parcels, beside what is in force:\n")
    assert "£100.00" in out.getvalue()
    assert "£150.00" in out.getvalue()


def test_diff_needs_no_owner_and_tells_of_drafts_and_new_rules_too(tmp_path: Path) -> None:
    text = rule_files.export_rule(make.make_rule(name="Drafted"))
    text = changed(changed(text, "owner: author", "owner: gone"), "high-value", "dear")
    (tmp_path / "a.yaml").write_text(text)
    (tmp_path / "b.yaml").write_text(GOOD)
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("rules", "diff", str(tmp_path), stdout=out)
    assert out.getvalue().splitlines() == [
        "Drafted, beside its draft (nothing is in force):",
        "  Tag: tag: “high-value” → “dear”",
        "Good rule: there is no such rule here.",
    ]


def test_import_by_hand_needs_a_person_who_may_and_changes_nothing_when_asked_to_check(
    tmp_path: Path, finance_user: User
) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(GOOD)
    make.author()
    before = counts()
    for name in (finance_user.username, "nobody.here"):
        with pytest.raises(CommandError, match="may not make and change rules"):
            manage("import", str(path), "--as", name)
    out, _ = manage("import", str(path), "--as", "author", "--check")
    assert "Good rule: new" in out
    assert counts() == before
    manage("import", str(path), "--as", "author")
    assert Rule.objects.get(slug="good").owner == make.author()


def test_a_file_with_a_fault_is_told_by_its_name_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(changed(GOOD, "op: gte", "op: nicer"))
    make.author()
    err = io.StringIO()
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("rules", "import", str(path), "--as=author", stdout=io.StringIO(), stderr=err)
    assert f"{path}:13: " in err.getvalue()
    assert not Rule.objects.exists()


# --- in the browser -----------------------------------------------------------------------------


def test_the_page_shows_what_a_file_would_do_before_it_does_it(operations_user: User) -> None:
    client = signed_in(operations_user)
    make.author()
    page = client.post("/rules/import/", {"text": GOOD})
    assert page.status_code == 200
    assert "What it would do" in page.content.decode()
    assert not Rule.objects.exists()
    done = client.post("/rules/import/", {"signed": page.context["signed"]})
    assert done.status_code == 302
    rule = Rule.objects.get()
    assert done["Location"] == f"/rules/{rule.slug}/edit/"
    assert rule.owner == operations_user
    again = client.post("/rules/import/", {"text": rule_files.export_rule(rule)})
    assert "Nothing in this file is different" in again.content.decode()


def test_the_page_tells_the_line_of_a_fault_and_imports_nothing(operations_client: Client) -> None:
    page = operations_client.post("/rules/import/", {"text": changed(GOOD, "op: gte", "op: nicer")})
    body = page.content.decode()
    assert "rule.when.all.0.op" in body
    assert 'id="import"' not in body
    broken = operations_client.post("/rules/import/", {"text": "key: [a"})
    assert broken.status_code == 422
    assert "Line 1" in broken.content.decode() or "Line 2" in broken.content.decode()
    assert not Rule.objects.exists()


def test_the_page_asks_for_the_owner_and_for_leave_to_change_rules_of_others(
    operations_user: User,
) -> None:
    rule = make.make_rule(name="Theirs")
    client = signed_in(operations_user)
    text = changed(rule_files.export_rule(rule), "tag: high-value", "tag: dear")
    text = changed(text, "owner: author", "owner: someone.gone")
    page = client.post("/rules/import/", {"text": text})
    signed = page.context["signed"]
    refused = client.post("/rules/import/", {"signed": signed})
    assert refused.status_code == 422
    assert DraftRevision.objects.filter(rule=rule).count() == 1
    done = client.post(
        "/rules/import/", {"signed": signed, "owner": operations_user.pk, "others": "on"}
    )
    assert done.status_code == 302
    rule.refresh_from_db()
    assert rule.owner == operations_user
    assert Draft.objects.get(rule=rule).updated_by == operations_user


def test_what_another_person_looked_at_is_not_imported(
    operations_user: User, finance_client: Client
) -> None:
    other = make.staff("operations", "other")
    page = signed_in(operations_user).post("/rules/import/", {"text": GOOD})
    taken = signed_in(other).post("/rules/import/", {"signed": page.context["signed"]})
    assert taken.status_code == 409
    forged = signed_in(operations_user).post("/rules/import/", {"signed": "forged"})
    assert forged.status_code == 409
    assert finance_client.post("/rules/import/", {"text": GOOD}).status_code == 403
    assert not Rule.objects.exists()


def test_a_rule_is_downloaded_from_its_page_by_whoever_may_see_it(auditor_client: Client) -> None:
    rule = make.live_rule()
    page = auditor_client.get(f"/rules/{rule.slug}/export/")
    assert page.content.decode() == rule_files.export_rule(rule)
    assert page["Content-Disposition"] == f'attachment; filename="{rule.slug}.yaml"'
    every = auditor_client.get("/rules/export/?which=all").content.decode()
    assert every == rule_files.export_rule(rule)
