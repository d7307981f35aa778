"""A rule's evidence on paper: A4, a table for each sheet, the signed texts at the end."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle

from automations.queries.dossier import Dossier
from automations.queries.sheets import Sheet, text
from backoffice.counting import counted

# Of a sheet on paper; the CSV holds all of it.
MOST_ROWS = 150
LONGEST_CELL = 500
LONGEST_TEXT = 20_000
WIDTH, HEIGHT = landscape(A4)
MARGIN = 12 * mm
PADDING = 6  # of reportlab's frame, in points
# Letters on a line across the page, and how much of one column's words and text counts for it.
LETTERS = 210
LONGEST_WORD = 20
LONGEST_LINE = 60
# What this typeface has no letter for.
INSTEAD = {"→": "->", "≈": "~", "−": "-", "\u00a0": " ", "\t": " "}
LINE = colors.HexColor("#d5dae0")
HEAD = colors.HexColor("#eef1f4")
MUTED = colors.HexColor("#5a6572")


@cache
def _letters() -> frozenset[int]:
    """The letters that the typeface has, which comes with reportlab; registers it."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    for name, file in (("Sheet", "Vera.ttf"), ("Sheet-Bold", "VeraBd.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(fonts / file)))
    font: Any = pdfmetrics.getFont("Sheet")
    return frozenset(font.face.charToGlyph)


def _styles() -> dict[str, ParagraphStyle]:
    cell = ParagraphStyle("cell", fontName="Sheet", fontSize=6.2, leading=7.6)
    return {
        "cell": cell,
        "head": ParagraphStyle("head", cell, fontName="Sheet-Bold"),
        "note": ParagraphStyle("note", cell, textColor=MUTED, spaceAfter=2 * mm, fontSize=7),
        "said": ParagraphStyle("said", cell, fontSize=8.5, leading=11.5, spaceAfter=3 * mm),
        "h1": ParagraphStyle("h1", cell, fontName="Sheet-Bold", fontSize=15, leading=19),
        "h2": ParagraphStyle(
            "h2", cell, fontName="Sheet-Bold", fontSize=10, leading=13, spaceBefore=5 * mm
        ),
    }


def printable(said: str) -> str:
    """Text in letters that the typeface has: without its marks, or ?, where there is none."""
    known = _letters()
    return "".join(_letter(letter, known) for letter in unicodedata.normalize("NFC", said))


def _letter(letter: str, known: frozenset[int]) -> str:
    if letter == "\n" or ord(letter) in known:
        return letter
    plain = INSTEAD.get(letter) or unicodedata.normalize("NFKD", letter)[0]
    return plain if all(ord(each) in known for each in plain) else "?"


def readable(said: str) -> str:
    """A cell for people: what is written as JSON in the CSV, as one line for each of its names."""
    try:
        known = json.loads(said) if said[:1] in ("{", "[") else None
    except ValueError:
        known = None
    return said if known is None else "\n".join(_told(known))


def _told(known: Any) -> Iterator[str]:
    match known:
        case dict():
            for name, value in known.items():
                lines = list(_told(value))
                says = str(name).replace("_", " ")
                yield f"{says}: {lines[0]}" if len(lines) == 1 else f"{says}:"
                yield from (f"\u00a0 {line}" for line in lines if len(lines) > 1)
        case list():
            flat = [line for each in known for line in _told(each)]
            yield from (
                [", ".join(flat)] if all(not isinstance(each, dict) for each in known) else flat
            )
        case None | "":
            yield "none"
        case bool():
            yield "yes" if known else "no"
        case _:
            yield str(known)


def _paragraph(said: str, style: ParagraphStyle, longest: int = LONGEST_CELL) -> Paragraph:
    short = said if len(said) <= longest else f"{said[:longest]}… (whole in the CSV)"
    return Paragraph(escape(printable(short)).replace("\n", "<br/>"), style)


def _widths(sheet: Sheet) -> list[float]:
    """Room for each column: its longest words whole, then more for what says more."""
    shown = [sheet.columns, *sheet.rows[:MOST_ROWS]]
    columns = list(zip(*shown, strict=True))
    # Heads are bold, so they take more room than their letters say.
    words = [
        max(min(LONGEST_WORD, max(map(_word, cells))), _word(cells[0]) * 1.25) + 2
        for cells in columns
    ]
    texts = [min(LONGEST_LINE, max(map(len, cells))) for cells in columns]
    wishes = [max(1, text - word) for text, word in zip(texts, words, strict=True)]
    left = max(0, LETTERS - sum(words))
    shares = [word + left * wish / sum(wishes) for word, wish in zip(words, wishes, strict=True)]
    room = WIDTH - 2 * MARGIN - 2 * PADDING
    return [room * share / sum(shares) for share in shares]


def _word(said: str) -> int:
    return max((len(word) for word in said.split()), default=1)


def _table(sheet: Sheet, styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    parts: list[Flowable] = [_paragraph(sheet.title, styles["h2"])]
    if sheet.note:
        parts.append(_paragraph(sheet.note, styles["note"]))
    if not sheet.rows:
        return [*parts, _paragraph("None.", styles["note"])]
    rows = [[_paragraph(column, styles["head"]) for column in sheet.columns]]
    rows += [
        [_paragraph(readable(cell), styles["cell"]) for cell in row]
        for row in sheet.rows[:MOST_ROWS]
    ]
    table = LongTable(rows, colWidths=_widths(sheet), repeatRows=1, splitInRow=1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.3, LINE),
                ("BACKGROUND", (0, 0), (-1, 0), HEAD),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                *((side, (0, 0), (-1, -1), 2) for side in ("LEFTPADDING", "RIGHTPADDING")),
                *((side, (0, 0), (-1, -1), 1.5) for side in ("TOPPADDING", "BOTTOMPADDING")),
            ]
        )
    )
    parts.append(table)
    if len(sheet.rows) > MOST_ROWS:
        more = f"The CSV has {counted(len(sheet.rows) - MOST_ROWS, 'more row')}."
        parts.append(_paragraph(more, styles["note"]))
    return parts


def _signed(version: int, signed: str, styles: dict[str, ParagraphStyle]) -> list[Flowable]:
    """A signed text, laid out for reading."""
    try:
        laid_out = json.dumps(json.loads(signed), indent=1, ensure_ascii=False)
    except ValueError:
        laid_out = signed
    parts: list[Flowable] = [_paragraph(f"Signed text of version {version}", styles["h2"])]
    for line in laid_out[:LONGEST_TEXT].split("\n"):
        deep = len(line) - len(line.lstrip(" "))
        parts.append(_paragraph("\u00a0" * deep + line.strip(), styles["cell"], 2_000))
    return parts


def as_pdf(dossier: Dossier) -> bytes:
    """The whole dossier as one PDF."""
    styles = _styles()
    story: list[Flowable] = [
        _paragraph(dossier.title, styles["h1"]),
        _paragraph(
            f"{text(dossier.at)}. Times are in UTC. What is cut short stands whole in the CSV; "
            "letters that this typeface has not are printed without their marks, or as ?.",
            styles["note"],
        ),
        _paragraph(dossier.words or "No version is in force.", styles["said"], LONGEST_TEXT),
    ]
    for sheet in dossier.sheets:
        story += _table(sheet, styles)
    for version, signed in sorted(dossier.texts.items(), reverse=True)[:20]:
        story += _signed(version, signed, styles)
    story.append(Spacer(1, 1))
    out = io.BytesIO()
    paper = SimpleDocTemplate(
        out,
        pagesize=(WIDTH, HEIGHT),
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=printable(dossier.title),
        author="Countersign",
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.saveState()
        canvas.setFont("Sheet", 6)
        canvas.setFillColor(MUTED)
        canvas.drawString(
            MARGIN, 6 * mm, printable(f"{dossier.title} ({dossier.rule.slug}), {text(dossier.at)}")
        )
        canvas.drawRightString(WIDTH - MARGIN, 6 * mm, f"Page {canvas.getPageNumber()}")
        canvas.restoreState()

    paper.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()
