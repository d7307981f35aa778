"""A rule that moves money, the people around it, and what must hold whatever any of them tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.test import Client

from automations.models.documents import Activation, Approval, Document, Stop
from automations.models.rules import Draft, Rule
from automations.services import drafts, rules
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry, User
from tests.automations import factories as make
from tests.bed.people import signed_in

# What the application refuses, wherever it does: each leaves an entry whose verb ends like this.
REFUSED = ".refused"


@dataclass
class Scene:
    """A candidate that waits for finance. All but `judge` worked on it or may not decide on it."""

    rule: Rule
    document: Document
    author: User  # operations, drew it up and submitted it
    editor: User  # of finance now, but changed the draft before that
    boss: User  # administrator and superuser
    clerk: User  # of operations, has nothing to do with it
    judge: User  # of finance, has nothing to do with it

    def sql(self, statement: str, **values: Any) -> None:
        """One statement as the application role, in a transaction, as a shell would send it."""
        given = {
            "document": self.document.pk,
            "sha": self.document.sha256,
            "rule": self.rule.pk,
            "key": self.document.key,
            "author": self.author.pk,
            "editor": self.editor.pk,
            "boss": self.boss.pk,
            "clerk": self.clerk.pk,
            "judge": self.judge.pk,
            **values,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, given)

    def client(self, user: User) -> Client:
        return signed_in(user)

    def as_(self, user: User) -> Actor:
        return person(user)


def money(**changes: Any) -> dict[str, Any]:
    return make.body(steps=make.steps("depot.pay_duty"), **changes)


def set_scene() -> Scene:
    author, editor = make.author(), make.staff("finance", "editor")
    boss = make.staff("administrator", "boss")
    User.objects.filter(pk=boss.pk).update(is_superuser=True)
    rule = make.make_rule(steps=make.steps("depot.pay_duty"))
    changed = money(latency="batch")
    drafts.save_draft(rule.pk, body=changed, revision=1, actor=person(editor))
    drafts.save_draft(rule.pk, body=money(missing_data="skip"), revision=2, actor=person(author))
    document = make.submit(rule)
    boss.refresh_from_db()
    return Scene(
        rule, document, author, editor, boss, make.staff("operations", "clerk"),
        make.staff("finance", "judge"),
    )  # fmt: skip


def state_of(scene: Scene) -> dict[str, Any]:
    """All that no way round the approval may change."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.user_id, g.name FROM backoffice_user_groups m JOIN auth_group g"
            " ON g.id = m.group_id ORDER BY 1, 2"
        )
        roles = cursor.fetchall()
        cursor.execute(
            "SELECT g.name, p.codename FROM auth_group_permissions m JOIN auth_group g"
            " ON g.id = m.group_id JOIN auth_permission p ON p.id = m.permission_id ORDER BY 1, 2"
        )
        permissions = cursor.fetchall()
    return {
        "roles": roles,
        "permissions": permissions,
        "text": list(Document.objects.order_by("pk").values_list("text", "pins", "sha256", "risk")),
        "approved": list(Document.objects.filter(state="approved").values_list("pk", flat=True)),
        "approvals": list(Approval.objects.order_by("pk").values()),
        "periods": list(Activation.objects.order_by("pk").values()),
        "editors": sorted(scene.document.editors.values_list("user_id", flat=True)),
        "lifted": list(Stop.objects.exclude(lifted_at=None).values_list("pk", flat=True)),
    }


def refused_so_far() -> int:
    return AuditEntry.objects.filter(verb__endswith=REFUSED).count()


UNAPPROVED = """
WITH RECURSIVE asked (id, document_id) AS (
    -- What its owner tuned inside an approved range stands on the approval of what it came from.
    SELECT id, id FROM automations_document
    UNION ALL
    SELECT k.id, d.tuned_from_id FROM asked k JOIN automations_document d ON d.id = k.document_id
     WHERE d.tuned_from_id IS NOT NULL)
SELECT a.id FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
 WHERE coalesce(a.rule_id = %s, true) AND (a.mode = 'live' AND NOT EXISTS (
    SELECT FROM asked k JOIN automations_document r ON r.id = k.document_id AND r.tuned_from_id IS NULL
      JOIN automations_approval p ON p.document_id = r.id
      JOIN backoffice_user u ON u.id = p.approver_id JOIN backoffice_user_groups m ON m.user_id = u.id
      JOIN auth_group g ON g.id = m.group_id AND g.name = p.role
     WHERE k.id = d.id AND p.sha256 = r.sha256 AND p.verdict = 'approve'
       AND p.at <= a.from_at AND (p.expires_at > a.from_at OR d.id <> r.id) AND u.is_active
       AND r.sha256 = encode(sha256(convert_to(array_to_string(r.text || r.pins, E'\\n'), 'UTF8')), 'hex')
       AND (r.risk <> 'money' OR p.role = 'finance')
       AND (r.kind <> 'rule' OR p.evidence ? 'backtest' OR p.evidence ? 'no_history')
       AND u.id NOT IN (r.author_id, r.submitted_by_id)
       AND u.id NOT IN (SELECT user_id FROM automations_documenteditor WHERE document_id = r.id))
  OR a.mode = 'emergency' AND NOT EXISTS (
    SELECT FROM automations_emergency e
     WHERE e.activation_id = a.id AND e.document_id = d.id AND e.sha256 = d.sha256
       AND e.asked_by_id <> e.agreed_by_id AND a.expires_at <= a.from_at + interval '60 minutes'
       AND e.agreed_by_id NOT IN (SELECT user_id FROM automations_documenteditor WHERE document_id = d.id)))
"""  # noqa: E501


def unapproved_in_force(rule: int | None = None) -> list[int]:
    """Periods of a version without a valid approval for its hash by somebody who may give it.

    Of one rule, or of all (None); those that have ended too. An emergency needs two people instead.
    """
    with connection.cursor() as cursor:
        cursor.execute(UNAPPROVED, [rule])
        return [row[0] for row in cursor.fetchall()]


def resubmit(scene: Scene) -> Document:
    draft = Draft.objects.get(rule=scene.rule)
    return rules.submit_rule(
        scene.rule.pk, revision=draft.revision, why="Again.", actor=person(scene.author)
    )
