"""Gives a role where there is nobody to agree: a company's first administrator, or its only one."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, transaction

from backoffice.grants import as_owner
from backoffice.models import User
from backoffice.roles import ROLES


class Command(BaseCommand):
    help = (
        "Give a role as the owner of the database, without a second person. The reason is kept in "
        "the audit trail. Where an administrator can ask and another or finance can agree, they do."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("role", choices=ROLES)
        parser.add_argument("--new", action="store_true", help="make the account too")
        parser.add_argument("--why", required=True, help="why nobody else can agree")

    def handle(self, *args: Any, **options: Any) -> None:
        with as_owner(), transaction.atomic():
            user = User.objects.filter(username=options["username"]).first()
            if user is None and options["new"]:
                password = secrets.token_urlsafe(15)
                user = User(username=options["username"], password_is_first=True)
                user.set_password(password)
                user.save()
                self.stdout.write(f"First password, to be changed at the first sign-in: {password}")
            elif user is None:
                raise CommandError(f"There is nobody with the user name {options['username']}.")
            try:
                with connection.cursor() as cursor:
                    cursor.execute(
                        "SELECT backoffice_bootstrap_role(%s, %s, %s)",
                        [user.pk, options["role"], options["why"]],
                    )
            except DatabaseError as error:
                said = getattr(error.__cause__, "diag", None)
                raise CommandError(str(getattr(said, "message_primary", error))) from error
        self.stdout.write(f"{user} has the role {options['role']}. It is in the audit trail.")
