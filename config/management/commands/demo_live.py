"""Lets orders arrive at the demonstration company, a few a minute, until it is stopped."""

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from threading import Event
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.live import run
from config.demo.slice import FILE, read_slice
from config.imports.online_retail.parse import FORMAT
from orders.models.channels import Channel


class Command(BaseCommand):
    help = "Let orders arrive at the demonstration company until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--per-minute", type=float, default=settings.DEMO_ORDERS_PER_MINUTE)
        parser.add_argument("--data", type=Path, default=FILE, help="instead of what ships")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        channel = Channel.objects.filter(key=FORMAT).first()
        if channel is None:
            raise CommandError("There is no demonstration company yet. Run demo_company first.")
        if options["per_minute"] <= 0:
            return
        run(
            channel,
            read_slice(options["data"], sys.stderr).coming_orders,
            options["per_minute"],
            stop,
        )
