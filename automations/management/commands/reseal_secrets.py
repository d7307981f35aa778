"""Seal every secret of the connectors anew under the newest key of SECRETS_KEYS."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from automations.connectors.vault import Unreadable
from automations.services.connectors import reseal_secrets
from backoffice.actors import HOUSE


class Command(BaseCommand):
    help = (
        "Seal every secret anew under the first key of SECRETS_KEYS. Put the new key first and "
        "leave the old one behind it; when this has run in every place, take the old one away."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = reseal_secrets(actor=HOUSE)
        except Unreadable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Sealed {count} secrets anew.")
