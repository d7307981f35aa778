"""The evidence of one rule for an auditor: complete, true to the trail, without secrets."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from automations.models.documents import Document
from automations.models.rules import Rule
from automations.queries import dossier, dossier_trail
from automations.services import approvals, reviews, rules, stops
from automations.services.dossier_pdf import as_pdf, printable, readable
from backoffice import chain
from backoffice.actors import person
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db
NASTY = '<b>&amp;</b> =cmd|"/c calc"!A1 → Łukasz 日本 \u202e {{ 7*7 }}'


def rule_with_a_life() -> Rule:
    """Two versions, one of them sent back first, a stop that was lifted, runs and a review."""
    rule = make.make_rule(name="Tag dear parcels")
    document = make.submit(rule)
    approver = make.approver(document)
    approvals.request_changes(
        document.pk, sha256=document.sha256, comment="Say more.", actor=person(approver)
    )
    make.make_live(rule)
    make.edit(rule, steps=make.steps("depot.add_tag", tag="dear"))
    make.make_live(rule)
    stop = stops.stop_rule(rule.pk, reason="Stock count.", actor=person(make.author()))
    stops.ask_start(stop.pk, actor=person(make.author()))
    stops.start_again(stop.pk, queued="release", actor=person(approver))
    make.ended(rule, days_ago=3, runs=41)
    make.live_for(rule, 10)
    live = Document.objects.filter(rule=rule).order_by("-version")[0]
    reviews.keep(
        rule.pk,
        document_id=live.pk,
        sha256=live.sha256,
        next_on=timezone.localdate() + timedelta(days=60),
        note="Fine.",
        figures={"runs_month": 41},
        actor=person(approver),
    )
    return rule


def archive(client: Client, rule: Rule) -> dict[str, bytes]:
    answer = client.post(f"/rules/{rule.slug}/evidence/csv/")
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def table(files: dict[str, bytes], key: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{key}.csv"].decode("utf-8-sig"))))


def test_an_auditor_gets_everything_about_a_rule_with_one_click(auditor_user: User) -> None:
    rule = rule_with_a_life()
    while chain.seal():
        pass
    chain.check()
    files = archive(signed_in(auditor_user), rule)

    about = {row["What"]: row["Value"] for row in table(files, "rule")}
    assert about["Key"] == rule.slug
    assert about["Version in force"] == "v3"
    assert about["Exported by"].endswith(f"({auditor_user.username})")
    versions = table(files, "versions")
    assert [row["Version"] for row in versions] == ["1", "2", "3"]
    assert {row["Hash holds"] for row in versions} == {"yes"}
    assert all("(author)" in row["Editors"] for row in versions)
    (said,) = [
        row["Difference from the version before"]
        for row in table(files, "differences")
        if row["Version"] == "3"
    ]
    assert said == "Tag: tag: “high-value” → “dear”"
    verdicts = [
        (row["Version"], row["Verdict"], row["Comment"]) for row in table(files, "approvals")
    ]
    assert ("1", "Changes requested", "Say more.") in verdicts
    assert ("3", "Approved", "Fine.") in verdicts
    assert {row["Of this version"] for row in table(files, "approvals")} == {"yes"}
    (stop,) = table(files, "stops")
    assert stop["Why"] == "Stock count."
    assert stop["Agreed by"]
    assert table(files, "reviews")[0]["Verdict"] == "Kept"
    assert {row["Role"] for row in table(files, "grants")} == {"operations"}
    assert [row["Runs"] for row in table(files, "runs")] == ["41"]
    assert table(files, "edits")[0]["By"].endswith("(author)")
    for version in (1, 2, 3):
        document = Document.objects.get(rule=rule, version=version)
        signed = files[f"documents/v{version}.json"]
        assert signed == document.text.encode()
        joined = "\n".join([signed.decode(), *document.pins])
        assert hashlib.sha256(joined.encode()).hexdigest() == document.sha256

    verbs = [row["What"] for row in table(files, "audit")]
    for verb in ("rules.submitted", "rules.changes_requested", "rules.approved", "rules.activated",
                 "rules.stopped", "rules.started", "rules.reviewed"):  # fmt: skip
        assert verb in verbs
    assert {row["Holds"] for row in table(files, "audit")} == {"yes"}
    checked = {row["What"]: row["Value"] for row in table(files, "verification")}
    assert checked["Head of the chain"] == str(chain.head())
    assert checked["What that check found"] == "All holds."
    assert checked["Changed after they were sealed"] == "none"


def test_the_hashes_of_all_files_are_listed_and_hold(auditor_client: Client) -> None:
    files = archive(auditor_client, rule_with_a_life())
    listed = files.pop("SHA256SUMS").decode().splitlines()
    sums = {line.split("  ", 1)[1]: line.split("  ", 1)[0] for line in listed}
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def test_taking_the_evidence_is_in_the_trail_with_the_hash_of_the_file(
    auditor_user: User,
) -> None:
    rule = make.live_rule()
    for form in ("csv", "pdf"):
        answer = signed_in(auditor_user).post(f"/rules/{rule.slug}/evidence/{form}/")
        entry = AuditEntry.objects.filter(verb="rules.evidence_exported").latest("pk")
        assert (entry.user_id, entry.subject_id) == (auditor_user.pk, rule.pk)
        assert entry.detail == {
            "form": form,
            "sha256": hashlib.sha256(answer.content).hexdigest(),
        }


@pytest.mark.parametrize("who", ["operations", "support"])
def test_whoever_may_not_read_the_audit_trail_gets_no_evidence(who: str, make_user: Any) -> None:
    rule = make.live_rule()
    for form in ("csv", "pdf"):
        answer = signed_in(make_user(who)).post(f"/rules/{rule.slug}/evidence/{form}/")
        assert answer.status_code == 403
    assert not AuditEntry.objects.filter(verb="rules.evidence_exported").exists()


def test_no_secret_and_no_formula_is_in_the_evidence(auditor_client: Client) -> None:
    account = lines.web_account("http://127.0.0.1:9", token="very-secret-token")
    call = {
        "uid": "c1",
        "do": "automations.call_http",
        "with": {"account": account.key, "method": "GET", "path": "/"},
    }
    rule = make.make_rule(steps=[call], name="=1+1")
    rules.describe_rule(
        rule.pk, version=1, actor=person(make.author()), purpose=NASTY, fallback="-2+3"
    )
    files = archive(auditor_client, rule)
    assert not any(b"very-secret-token" in data for data in files.values())
    values = [row["Value"] for row in table(files, "rule")]
    assert "'=1+1" in values
    assert "'-2+3" in values
    assert NASTY in values


def test_the_pdf_is_one_whatever_people_wrote(auditor_client: Client) -> None:
    rule = rule_with_a_life()
    rules.describe_rule(
        rule.pk,
        version=Rule.objects.get(pk=rule.pk).version,
        actor=person(make.author()),
        purpose=NASTY * 300,
        fallback="x" * 9_000,
    )
    for _ in range(200):
        AuditEntry.objects.create(
            verb="rules.described",
            subject="automations.rule",
            subject_id=rule.pk,
            actor_kind="person",
            actor_label=NASTY[:100],
            detail={"why": "y" * 900},
        )
    answer = auditor_client.post(f"/rules/{rule.slug}/evidence/pdf/")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.rstrip().endswith(b"%%EOF")
    assert len(answer.content) < 3_000_000


def test_what_the_csv_has_as_json_is_told_in_lines_on_paper() -> None:
    told = '{"from": "a", "is_new": true, "by": {"id": 3, "role": ""}, "steps": ["x", "y"]}'
    assert readable(told).split("\n") == [
        "from: a",
        "is new: yes",
        "by:",
        "\u00a0 id: 3",
        "\u00a0 role: none",
        "steps: x, y",
    ]
    for plain in ("plain", "{not json", "", "[note] by hand"):
        assert readable(plain) == plain


def test_letters_that_the_typeface_has_not_are_told_apart() -> None:
    assert printable("Łódź → ąę £5 “x”") == "Łódz -> ae £5 “x”"
    assert printable("日本") == "??"


def test_a_rule_that_was_never_submitted_has_evidence_too(auditor_client: Client) -> None:
    rule = make.make_rule()
    files = archive(auditor_client, rule)
    assert table(files, "versions") == []
    assert auditor_client.post(f"/rules/{rule.slug}/evidence/pdf/").content.startswith(b"%PDF-")


def test_an_entry_that_is_not_what_was_sealed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = make.live_rule()
    while chain.seal():
        pass
    entries = list(dossier_trail.entries_of(rule, list(Document.objects.filter(rule=rule))))
    ids = [each.pk for each in entries]
    assert chain.hold(ids) == dict.fromkeys(ids, True)
    # As if one word of them had been changed in the table.
    monkeypatch.setattr(chain, "ENTRIES", chain.ENTRIES.replace("e.verb", "e.verb || 'x'"))
    assert chain.hold(ids) == dict.fromkeys(ids, False)


def test_a_dossier_is_on_paper_as_it_is_in_the_files(auditor_user: User) -> None:
    rule = rule_with_a_life()
    found = dossier.gather(rule, for_whom=auditor_user)
    assert [sheet.key for sheet in found.sheets] == [
        "rule", "versions", "differences", "approvals", "periods", "existing", "stops", "reviews",
        "grants", "edits", "runs", "cases", "audit", "verification",
    ]  # fmt: skip
    assert as_pdf(found).startswith(b"%PDF-")
