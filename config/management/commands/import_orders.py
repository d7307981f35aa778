"""Loads a shop's order history from a file, as history: it feeds previews and matches no rule."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.imports.online_retail import report, run
from config.imports.online_retail.parse import FORMAT
from config.imports.problems import UnreadableFile, write_problems
from config.imports.source import Source, open_source

SHOWN = 10


class Command(BaseCommand):
    help = (
        "Load the order history of a file. Nothing is loaded while a line of it can't be read,"
        " unless --load-good-rows is given. A stopped run goes on where it stopped; a second run"
        " of the same file changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV, plain or gzip")
        parser.add_argument("--format", required=True, choices=[FORMAT])
        parser.add_argument("--encoding", help="UTF-8 unless named, such as cp1252 or utf-16")
        parser.add_argument("--date-format", help="ISO unless named, such as '%%m/%%d/%%Y %%H:%%M'")
        parser.add_argument(
            "--load-good-rows", action="store_true", help="load what can be read, report the rest"
        )
        parser.add_argument(
            "--entity",
            default="Online Retail Ltd",
            help="the legal entity whose history this is; made if it is not there",
        )
        parser.add_argument(
            "--reports", type=Path, default=settings.ROOT / "var" / "imports", help="report folder"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            source = open_source(options["file"], options["encoding"])
            job = run.find_job(source)
            if job is not None and job.finished_at and not options["load_good_rows"]:
                self._say_done(job.finished_at.strftime("%d %B %Y %H:%M UTC"), source, options)
                return
            understood = run.understand(source, sys.stderr, date_format=options["date_format"])
        except (UnreadableFile, LookupError) as error:
            raise CommandError(str(error)) from error
        self._report_problems(understood, options)
        try:
            loaded = run.load(understood, run.open_company(options["entity"]), sys.stderr)
        except run.AlreadyRunning as error:
            raise CommandError(str(error)) from error
        self._say_loaded(loaded, source, options)

    def _say_done(self, when: str, source: Source, options: dict[str, Any]) -> None:
        self.stdout.write(
            f"This file was imported on {when}: nothing has changed. Its report is"
            f" {run.default_report(source, options['reports'])}."
        )

    def _report_problems(self, understood: run.Understood, options: dict[str, Any]) -> None:
        """Write what is wrong with which line; refuse unless the rest is wanted."""
        problems = understood.problems
        if not problems:
            return
        path = run.default_report(understood.source, options["reports"])
        path = path.with_name(path.name.replace("-report.json", "-errors.csv"))
        write_problems(problems, path)
        for problem in problems[:SHOWN]:
            where = f"{problem.column} “{problem.value}”: " if problem.column else ""
            self.stderr.write(f"line {problem.line}: {where}{problem.says}")
        if len(problems) > SHOWN:
            self.stderr.write(f"… and {len(problems) - SHOWN:,} more")
        total = understood.parsed.lines
        said = f"{understood.bad_lines:,} of {total:,} lines can't be loaded. All of them: {path}."
        if not options["load_good_rows"]:
            raise CommandError(
                f"{said} Nothing was loaded. Mend the file, or run again with --load-good-rows."
            )
        self.stderr.write(said)

    def _say_loaded(self, loaded: run.Loaded, source: Source, options: dict[str, Any]) -> None:
        path = run.default_report(source, options["reports"])
        document = run.as_json(loaded) | report.as_json(loaded.account)
        report.write_report(document, loaded.account, path)
        self.stdout.write(report.as_text(loaded.account))
        self.stdout.write("")
        plan = loaded.plan
        now = f"{len(plan.to_load):,} invoices with {loaded.lines:,} lines loaded"
        rate = loaded.lines / loaded.seconds if loaded.seconds else 0
        self.stdout.write(f"{now} in {loaded.seconds:,.1f} s, {rate:,.0f} lines/s")
        if before := plan.loaded_before + plan.same:
            self.stdout.write(f"{before:,} invoices had been loaded before and were left alone")
        if plan.completed:
            self.stdout.write(f"{plan.completed:,} invoices were completed by lines mended since")
        if plan.changed:
            listed = ", ".join(plan.changed[:SHOWN])
            self.stdout.write(
                f"{len(plan.changed):,} invoices differ from what was imported and were left as"
                f" they are: {listed}"
            )
        self.stdout.write(f"The report is {path}")
