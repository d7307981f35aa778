"""Rules as files, for those who keep them in Git."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.models.rules import Rule
from automations.queries.rules import owners
from automations.rules.files import joined_files
from automations.rules.yaml_text import YamlInvalid
from automations.services import rule_files
from automations.services.errors import AutomationError
from automations.services.rule_files import Plan, Planned
from backoffice.actors import person
from backoffice.counting import counted
from backoffice.models import User

NEEDED = ("automations.add_rule", "automations.change_rule", "automations.change_draft")
STATES = {"new": "new", "changed": "changes", "unchanged": "unchanged", "broken": "can't be read"}


class Command(BaseCommand):
    help = (
        "Write rules to files, say how files differ from what is in force, and read files. What is "
        "read becomes a draft: nothing acts before it was submitted and approved."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        out = verbs.add_parser("export", help="write rules to files")
        out.add_argument("keys", nargs="*", metavar="KEY", help="the rules' keys")
        out.add_argument("--active", action="store_true", help="every rule that is in force")
        out.add_argument("--all", action="store_true", help="every rule that is not retired")
        out.add_argument("--draft", action="store_true", help="the drafts, not what is in force")
        out.add_argument("--to", metavar="FOLDER", help="a file for each rule in this folder")
        told = verbs.add_parser("diff", help="say how files differ from what is in force")
        _files(told)
        read = verbs.add_parser("import", help="read files into drafts, all of them or none")
        _files(read)
        read.add_argument("--as", dest="importer", required=True, metavar="USERNAME")
        read.add_argument("--owner", metavar="USERNAME", help="owns rules of unknown owners")
        read.add_argument("--others", action="store_true", help="rules of others may change too")
        read.add_argument("--check", action="store_true", help="only say what it would do")

    def handle(self, *args: Any, **options: Any) -> None:
        {"export": self.export, "diff": self.diff, "import": self.read}[options["verb"]](options)

    # --- out ---

    def export(self, options: dict[str, Any]) -> None:
        """Write the chosen rules, to a folder or one after the other."""
        written = rule_files.export_rules(_chosen(options), draft=options["draft"])
        if options["to"] is None:
            self.stdout.write(joined_files(text for _, text in written), ending="")
            return
        folder = Path(options["to"])
        folder.mkdir(parents=True, exist_ok=True)
        for rule, text in written:
            (folder / f"{rule.slug}.yaml").write_text(text, encoding="utf-8", newline="\n")
        self.stdout.write(f"{counted(len(written), 'rule')} in {folder}.")

    # --- between ---

    def diff(self, options: dict[str, Any]) -> None:
        """Say how each file differs from what is in force; ends with 1 when one does."""
        different = False
        for path, text in _texts(options["files"]):
            for planned in _plan(path, text, None, None).rules:
                different |= self._tell_difference(path, planned)
        if different:
            raise CommandError("Files and rules differ.", returncode=1)

    def _tell_difference(self, path: str, planned: Planned) -> bool:
        unread = [each for each in planned.blocking if each.problem.path != "owner"]
        if unread:
            self._tell_problems(path, planned)
            return True
        if planned.rule is None:
            self.stdout.write(f"{planned.name}: there is no such rule here.")
            return True
        is_live, changes = rule_files.compared(planned)
        beside = "what is in force" if is_live else "its draft (nothing is in force)"
        if changes:
            self.stdout.write(f"{planned.name}, beside {beside}:")
        for change in changes:
            self.stdout.write(f"  {change.sentence}")
        return bool(changes)

    # --- in ---

    def read(self, options: dict[str, Any]) -> None:
        """Import the files in one transaction, or say what that would do."""
        importer = _person(options["importer"])
        owner = _owner(options["owner"]) if options["owner"] else None
        read = list(_texts(options["files"]))
        plans = [_plan(path, text, importer, owner) for path, text in read]
        for (path, _), plan in zip(read, plans, strict=True):
            self._tell_plan(path, plan)
        if not all(plan.ready for plan in plans):
            raise CommandError("Nothing was imported.", returncode=1)
        if options["check"]:
            return
        text = joined_files(f"{text.rstrip()}\n" for _, text in read)
        try:
            done = rule_files.carry_out(
                text,
                importer=importer,
                actor=person(importer),
                owner=owner,
                others=options["others"],
            )
        except (AutomationError, YamlInvalid) as error:
            raise CommandError(f"Nothing was imported. {error}", returncode=1) from error
        new, changed = done.count("new"), done.count("changed")
        self.stdout.write(
            f"{new} new, {changed} changed, {done.count('unchanged')} unchanged."
            + (" Submit the drafts for approval." if new or changed else "")
        )

    def _tell_plan(self, path: str, plan: Plan) -> None:
        for planned in plan.rules:
            self.stdout.write(f"{planned.name}: {STATES[planned.state]}")
            self._tell_problems(path, planned)
            if planned.rule is not None:
                for change in [*planned.changes, *planned.described]:
                    self.stdout.write(f"  {change.sentence}")

    def _tell_problems(self, path: str, planned: Planned) -> None:
        for each in planned.problems:
            where = f" at {each.problem.path}" if each.problem.path else ""
            self.stderr.write(f"{path}:{each.line}: {each.problem.message}{where}")


def _files(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="a file, or a folder of .yaml")


def _chosen(options: dict[str, Any]) -> Sequence[Rule]:
    if options["all"] or options["active"]:
        return rule_files.rules_of("all" if options["all"] else "active")
    if not options["keys"]:
        raise CommandError("Name rules by their keys, or say --active or --all.")
    found = list(Rule.objects.filter(slug__in=options["keys"]).order_by("slug"))
    if missing := sorted(set(options["keys"]) - {rule.slug for rule in found}):
        raise CommandError(f"There is no rule {', '.join(missing)}.")
    return found


def _texts(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        path = Path(name)
        for each in sorted(path.glob("*.y*ml")) if path.is_dir() else [path]:
            try:
                yield str(each), each.read_text(encoding="utf-8-sig")
            except (OSError, UnicodeError) as error:
                raise CommandError(f"{each}: {error}", returncode=1) from error


def _plan(path: str, text: str, importer: User | None, owner: User | None) -> Plan:
    try:
        return rule_files.plan(text, importer=importer, owner=owner)
    except YamlInvalid as error:
        raise CommandError(f"{path}:{error.line}: {error}", returncode=1) from error


def _person(username: str) -> User:
    found = User.objects.filter(username=username, is_active=True).first()
    if found is None or not all(found.has_perm(name) for name in NEEDED):
        raise CommandError(f"{username} may not make and change rules here.", returncode=1)
    return found


def _owner(username: str) -> User:
    found = owners().filter(username=username).first()
    if found is None:
        raise CommandError(f"{username} may not own rules here.", returncode=1)
    return found
