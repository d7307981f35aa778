"""A file of many rules, taken in by a job: checked rule by rule, as an import of few is.

The few are taken in at once, all or none. Of many, one that can't be read stays out and is named
with its line; the others become drafts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction

from automations.models.rules import Draft
from automations.queries.rules import owners
from automations.rules.files import ReadRule, read_part, read_rules
from automations.rules.yaml_text import Part, YamlInvalid
from automations.services import doors, rule_files
from automations.services.errors import AutomationError
from automations.services.rule_files import Planned
from backoffice.actors import Actor
from backoffice.models import BulkJob, User
from backoffice.workbench import jobs
from backoffice.workbench.bulk import BulkAction, Outcome

# More rules than this would hold the page for seconds.
AT_ONCE = 40
NEEDED = ("automations.add_rule", "automations.change_rule", "automations.change_draft")
NEW = 0  # the revision of a draft that is not there


def read_many(text: str) -> list[ReadRule] | None:
    """The rules of a text that a job has to take in; None: they are few enough to do at once.

    Raises YamlInvalid where one of many can't be read at all.
    """
    found = read_rules(text)
    if len(found) <= AT_ONCE:
        return None
    for each in found:
        if each.file is None:
            problem = each.problems[0]
            where = f"{problem.problem.path}: " if problem.problem.path else ""
            raise YamlInvalid(problem.line, f"{where}{problem.problem.message}")
    return found


def strangers(found: Sequence[ReadRule]) -> list[str]:
    """Names of owners in these rules whom nobody here goes by."""
    named = {each.file.owner for each in found if each.file and each.file.owner}
    return sorted(named - set(owners().values_list("username", flat=True)))


def others(found: Sequence[ReadRule], importer: User) -> list[str]:
    """Whose rules these are, beside the importer's own and nobody's."""
    keys = [each.file.key for each in found if each.file]
    theirs = Draft.objects.filter(rule__slug__in=keys, rule__owner__isnull=False)
    rows = theirs.exclude(rule__owner=importer).select_related("rule__owner")
    return sorted({str(draft.rule.owner) for draft in rows})


def draft_import(
    text: str,
    found: Sequence[ReadRule],
    *,
    importer: User,
    owner: User | None,
    others: bool,
    screen: str,
    back: str,
) -> BulkJob:
    """A job that takes in these rules, to be confirmed on its page; each row is a line of the file.

    A draft that somebody changes from now on is left alone.
    """
    keys = [each.file.key for each in found if each.file]
    known = dict(Draft.objects.filter(rule__slug__in=keys).values_list("rule__slug", "revision"))
    parts = {
        str(each.part.line): {"value": each.part.value, "lines": each.part.lines} for each in found
    }
    params = {
        "file": {
            "rules": parts,
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "owner": owner.pk if owner else None,
            "others": others,
        }
    }
    return jobs.draft_job(
        IMPORT,
        [each.part.line for each in found],
        screen=screen,
        params=params,
        back=back,
        user=importer,
        versions=[known.get(key, NEW) for key in keys],
    )


def _take_in(rows: Mapping[int, int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    file, importer = params["file"], User.objects.get(pk=doors.person_id(actor))
    if not importer.has_perms(NEEDED):
        return [Outcome(line, ok=False, message=jobs.NOT_PERMITTED) for line in rows]
    owner = owners().filter(pk=file["owner"]).first() if file["owner"] else None
    found = [_read(file["rules"], line) for line in rows]
    keys = [each.file.key for each in found if each.file]
    locked = Draft.objects.select_for_update(no_key=True, of=("self",))
    list(locked.filter(rule__slug__in=keys).order_by("pk"))
    made = rule_files.planned(found, importer=importer, owner=owner)
    return [
        _one(line, version, planned, file, actor)
        for (line, version), planned in zip(rows.items(), made, strict=True)
    ]


def _read(parts: Mapping[str, Any], line: int) -> ReadRule:
    known = parts[str(line)]
    return read_part(Part(known["value"], line, known["lines"]))


def _one(
    line: int, version: int, planned: Planned, file: Mapping[str, Any], actor: Actor
) -> Outcome:
    refusal = _why_not(planned, version, file["others"])
    if not refusal and planned.state in ("new", "changed"):
        try:
            with transaction.atomic():
                rule_files.write(planned, file["sha256"], actor)
        except AutomationError as error:
            refusal = str(error)
        except IntegrityError:
            refusal = "Someone made a rule with this key meanwhile."
    if refusal:
        return Outcome(line, ok=False, message=f"“{planned.name}”: {refusal}")
    return Outcome(line, ok=True)


def _why_not(planned: Planned, version: int, others: bool) -> str:
    """Why a rule stays out; empty when it may come in."""
    if planned.blocking:
        first = planned.blocking[0]
        where = f", {first.problem.path}" if first.problem.path else ""
        return f"line {first.line}{where}: {first.problem.message}"
    if (planned.draft.revision if planned.draft else NEW) != version:
        return "Someone changed its draft after the file was looked at."
    if planned.others and planned.state == "changed" and not others:
        return f"It belongs to {planned.others}."
    return ""


IMPORT = BulkAction(
    key="rules.import",
    label="Import",
    done="Imported",
    permission=NEEDED[0],
    run_frozen=_take_in,
    versions=lambda lines: {},  # fixed when the file was looked at
    asks="Each rule is checked when its turn comes. One that can’t be taken in is left out and "
    "named here, with its line in the file. What comes in is a draft: nothing acts before it is "
    "approved. A version that waits for approval is withdrawn where its draft changes.",
    icon="download",
    chunk=10,
)
