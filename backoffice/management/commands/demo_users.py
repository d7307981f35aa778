"""Demonstration staff: one login per role and a colleague where two people are needed."""

import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from backoffice import audit, roles
from backoffice.actors import HOUSE
from backoffice.grants import as_owner
from backoffice.models import User

PEOPLE = (
    ("Priya", "Shah", roles.OPERATIONS),
    ("Tom", "Whitaker", roles.OPERATIONS),
    ("Daniel", "Okafor", roles.FINANCE),
    ("Helen", "Marsh", roles.FINANCE),
    ("Amara", "Lewis", roles.SUPPORT),
    ("Morgan", "Reid", roles.ADMINISTRATOR),
    ("Ada", "Nilsson", roles.AUDITOR),
)
CONSONANTS = "bdfghjklmnprstvz"
VOWELS = "aeiou"


def readable_password() -> str:
    """A random password of 19 characters that can be read aloud; about 50 bits."""

    def syllable() -> str:
        return secrets.choice(CONSONANTS) + secrets.choice(VOWELS)

    return "-".join(syllable() + syllable() for _ in range(4))


class Command(BaseCommand):
    help = "Makes the demonstration staff with random passwords and writes those to a file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--logins", default="var/demo-logins.txt", help="the file to write")

    def handle(self, *args: Any, **options: Any) -> None:
        names = [first.lower() for first, _, _ in PEOPLE]
        if User.objects.exclude(username__in=names).exists():
            self.stdout.write("The database has staff of its own: no demonstration logins made.")
            return
        # Nobody is there yet who could agree to anybody's role.
        with as_owner(), transaction.atomic():
            lines = [self.make(*person) for person in PEOPLE]
            write_private(Path(options["logins"]), "\n".join(["", *lines, ""]))

    def make(self, first: str, last: str, role: str) -> str:
        """Make one person, or give a new password to one that is there. Their line of the file."""
        password = readable_password()
        user, made = User.objects.get_or_create(
            username=first.lower(), defaults={"first_name": first, "last_name": last}
        )
        user.set_password(password)
        user.save(update_fields=["password"])
        if not user.groups.filter(name=role).exists():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT backoffice_bootstrap_role(%s, %s, %s)",
                    [user.pk, role, "Demonstration staff."],
                )
        verb = "staff.demonstration_user_made" if made else "staff.password_renewed"
        audit.record(verb, "backoffice.user", user.pk, actor=HOUSE, role=role)
        return f"{role:<14} {user.username:<8} {password}   {user.get_full_name()}"


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
