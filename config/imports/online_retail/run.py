"""An import from beginning to end: read, understand, plan, load, report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

from django.db import connection
from django.utils import timezone

from backoffice.models import LegalEntity
from config.imports.online_retail.classify import Document, Kind, documents
from config.imports.online_retail.ledgers import known_documents, open_lines
from config.imports.online_retail.load import Dress, Loader
from config.imports.online_retail.parse import FORMAT, Parsed, parse
from config.imports.online_retail.plan import Plan, make_plan
from config.imports.online_retail.report import Account, account_for
from config.imports.problems import Problem
from config.imports.progress import Progress
from config.imports.source import Source
from config.models import ImportJob
from finance.services.books import open_books
from inventory.services.locations import Kind as LocationKind
from inventory.services.locations import open_locations
from orders.models.channels import Channel
from orders.services.channels import open_channel

# Any number that nothing else locks: "imports" as bytes.
_LOCK = int.from_bytes(b"imports")


class AlreadyRunning(Exception):
    """Another import runs; two at once would match the same orders twice."""


@dataclass(slots=True)
class Understood:
    """A file that was read: its invoices, and everything wrong with it."""

    source: Source
    parsed: Parsed
    documents: list[Document]
    problems: list[Problem] = field(default_factory=list)
    bad_lines: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a run did. `plan.to_load` is what it loaded, in `seconds`."""

    job: ImportJob
    plan: Plan
    account: Account
    lines: int
    seconds: float


def understand(source: Source, out: TextIO, *, date_format: str | None = None) -> Understood:
    """Read a file and sort its lines into invoices. Raises UnreadableFile."""
    progress = Progress(out, "reading", "bytes", source.size)

    def seen(lines: int, read: int) -> None:
        progress.at(read)

    parsed = parse(source, date_format=date_format, progress=seen)
    progress.finish(source.size)
    found, strange = documents(parsed.rows)
    problems = sorted([*parsed.problems, *strange])
    return Understood(source, parsed, found, problems, parsed.bad_lines + len(strange))


def open_company(name: str) -> Channel:
    """The channel that this format is loaded into, with its entity, locations and books.

    What exists is taken as it is. The format is of a company in London that counts in pounds.
    """
    entity, _ = LegalEntity.objects.get_or_create(
        name=name, defaults={"country": "GB", "currency": "GBP", "time_zone": "Europe/London"}
    )
    places = open_locations(entity)
    open_books(entity)
    return open_channel(
        FORMAT,
        name="Online Retail",
        kind=Channel.Kind.SHOP,
        currency="GBP",
        legal_entity=entity,
        location=places[LocationKind.INTERNAL],
    )


def find_job(source: Source) -> ImportJob | None:
    """The job of a file with this content, whatever its name; None when it was never loaded."""
    return ImportJob.objects.filter(format=FORMAT, sha256=source.sha256).first()


def moved_by(job: ImportJob) -> timedelta:
    """What is added to every time of the job's file."""
    return timedelta(seconds=job.shift_seconds)


def load(
    understood: Understood,
    channel: Channel,
    out: TextIO,
    *,
    shift: timedelta = timedelta(0),
    until: datetime | None = None,
    dress: Dress | None = None,
) -> Loaded:
    """Load what is not loaded yet. Raises AlreadyRunning.

    `shift` moves every time (whole seconds; the first run of a file decides); `until` leaves out
    invoices from that instant on, in the file's time.
    """
    began = timezone.now()
    wanted = [each for each in understood.documents if until is None or each.at < until]
    with _alone():
        job, _ = ImportJob.objects.get_or_create(
            format=FORMAT,
            sha256=understood.source.sha256,
            defaults={
                "file_name": understood.source.path.name,
                "shift_seconds": round(shift.total_seconds()),
            },
        )
        plan = plan_for(job, wanted)
        account = account_for(understood.parsed, wanted, plan.credits, understood.bad_lines)
        lines = _load(Loader(job, channel, plan, dress or Dress()), out)
        job.finished_at = timezone.now()
        job.save(update_fields=["finished_at"])
    return Loaded(job, plan, account, lines, (timezone.now() - began).total_seconds())


def plan_for(job: ImportJob, wanted: Sequence[Document]) -> Plan:
    """What is to be done for this job, given what is in the books."""
    known, mine = known_documents(job)
    new = [each for each in wanted if each.number not in known]
    credits = [each for each in new if each.kind is Kind.CREDIT]
    return make_plan(wanted, known, mine, open_lines(credits, job, mine))


def _load(loader: Loader, out: TextIO) -> int:
    total = sum(len(document.rows) for document in loader.plan.to_load)
    progress = Progress(out, "loading", "lines", total)
    done = 0

    def loaded(invoices: int, lines: int) -> None:
        nonlocal done
        done = lines
        progress.at(lines)

    loader.load(loaded)
    if total:
        progress.finish(done)
    return done


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of imports for as long as this connection lives."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
        (got,) = cursor.fetchone() or (False,)
    if not got:
        raise AlreadyRunning("Another import is running. Wait until it has finished.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def as_json(loaded: Loaded) -> dict[str, Any]:
    """What a run did, as JSON values."""
    return {
        "file": loaded.job.file_name,
        "sha256": loaded.job.sha256,
        "invoices_loaded_now": len(loaded.plan.to_load),
        "lines_loaded_now": loaded.lines,
        "seconds": round(loaded.seconds, 1),
        "invoices_loaded_before": loaded.plan.loaded_before + loaded.plan.same,
        "invoices_completed": loaded.plan.completed,
        "invoices_changed_since": loaded.plan.changed,
    }


def default_report(source: Source, folder: Path) -> Path:
    """Where the report of a file goes."""
    stem = source.path.name.split(".")[0]
    return folder / f"{stem}-{source.sha256[:8]}-report.json"
