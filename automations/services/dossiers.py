"""A rule's evidence as files for an auditor: who took them is in the audit trail itself."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from automations.models.rules import Rule
from automations.queries.dossier import Dossier, gather
from automations.queries.sheets import Sheet, text
from backoffice import audit
from backoffice.actors import person
from backoffice.models import User
from backoffice.workbench.export import quoted


@dataclass(frozen=True, slots=True)
class Export:
    """One file as it is handed out."""

    name: str
    content_type: str
    data: bytes


def _as_pdf(dossier: Dossier) -> bytes:
    # What draws it takes 15 MB, in every process that has loaded it.
    from automations.services.dossier_pdf import as_pdf  # noqa: PLC0415

    return as_pdf(dossier)


def as_zip(dossier: Dossier) -> bytes:
    """A CSV for each sheet, the signed text of each version, and the hashes of all these files."""
    files = {f"{sheet.key}.csv": _as_csv(sheet) for sheet in dossier.sheets}
    files |= {
        f"documents/v{version}.json": signed.encode() for version, signed in dossier.texts.items()
    }
    files["README.txt"] = _readme(dossier)
    files["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items())
    ).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _as_csv(sheet: Sheet) -> bytes:
    """UTF-8 with a mark, so that spreadsheets read it; no cell of it runs as a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(sheet.columns)
    writer.writerows([quoted(cell) for cell in row] for row in sheet.rows)
    return out.getvalue().encode("utf-8-sig")


def _readme(dossier: Dossier) -> bytes:
    lines = [
        f"{dossier.title} ({dossier.rule.slug}), {text(dossier.at)}.",
        "",
        "Times are in UTC. A cell that a spreadsheet would run begins with an apostrophe.",
        "documents/v….json is the text that was signed, byte for byte.",
        "SHA256SUMS names the hash of each file: sha256sum --check SHA256SUMS",
        "",
        *(_line(sheet) for sheet in dossier.sheets),
        "",
    ]
    return "\n".join(lines).encode()


def _line(sheet: Sheet) -> str:
    rows = "1 row" if len(sheet.rows) == 1 else f"{len(sheet.rows):,} rows"
    return f"{sheet.key}.csv: {sheet.title}, {rows}. {sheet.note}".rstrip()


FORMS: Mapping[str, tuple[str, str, Callable[[Dossier], bytes]]] = {
    "csv": ("zip", "application/zip", as_zip),
    "pdf": ("pdf", "application/pdf", _as_pdf),
}


def export(rule: Rule, form: str, *, user: User) -> Export:
    """The evidence of a rule as `csv` (an archive) or `pdf`; raises KeyError for others."""
    suffix, content_type, write = FORMS[form]
    dossier = gather(rule, for_whom=user)
    data = write(dossier)
    audit.record(
        "rules.evidence_exported",
        "automations.rule",
        rule.pk,
        actor=person(user),
        form=form,
        sha256=hashlib.sha256(data).hexdigest(),
    )
    day = f"{dossier.at:%Y-%m-%d}"
    return Export(f"evidence-{rule.slug}-{day}.{suffix}", content_type, data)
