"""Makes the demonstration company from the data that ships with the project."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from config.demo.company import make_company
from config.demo.slice import FILE, read_slice


class Command(BaseCommand):
    help = (
        "Make the demonstration company: a shop with three weeks of real orders that end now, under"
        " invented names, and a day of open work. Run again it makes what is missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, default=FILE, help="instead of what ships")

    def handle(self, *args: Any, **options: Any) -> None:
        make_company(read_slice(options["data"], sys.stderr), sys.stderr)
