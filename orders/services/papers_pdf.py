"""Pick lists and packing slips as PDF: loaded when one is asked for, as it takes 15 MB."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import reportlab
from django.utils import timezone
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from backoffice.counting import counted
from orders.queries.papers import PickList, Slip

BODY, BOLD = "Vera", "VeraBd"
WIDTH = A4[0] - 40 * mm
LINES = TableStyle(
    [
        ("FONTNAME", (0, 0), (-1, 0), BOLD),
        ("FONTSIZE", (0, 0), (-1, 0), 8),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, colors.grey),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
    ]
)


@lru_cache(maxsize=1)
def _styles() -> dict[str, ParagraphStyle]:
    """Fonts with accents are put into the paper: the standard ones of PDF know Latin-1 alone."""
    fonts = Path(reportlab.__file__).parent / "fonts"
    for name in (BODY, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(fonts / f"{name}.ttf")))
    return {
        "title": ParagraphStyle("title", fontName=BOLD, fontSize=15, leading=20),
        "text": ParagraphStyle("text", fontName=BODY, fontSize=9, leading=12),
        "strong": ParagraphStyle("strong", fontName=BOLD, fontSize=9, leading=12),
    }


def _p(text: object, style: str = "text") -> Any:
    """Text as it is: what looks like markup in a name is no markup."""
    return Paragraph(escape(str(text)), _styles()[style])


def _table(head: Sequence[str], rows: Sequence[Sequence[object]], widths: Sequence[float]) -> Any:
    body = [[_p(name, "strong") for name in head]]
    body += [[_p(cell) for cell in row] for row in rows]
    return Table(body, [WIDTH * part for part in widths], style=LINES, repeatRows=1)


def _paper(title: str, story: Sequence[Any]) -> bytes:
    out = BytesIO()
    paper = SimpleDocTemplate(
        out,
        pagesize=A4,
        title=title,
        author="Countersign",
        leftMargin=20 * mm,
        rightMargin=20 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
    )
    paper.build(list(story), onFirstPage=_foot, onLaterPages=_foot)
    return out.getvalue()


def _foot(canvas: Any, paper: Any) -> None:
    canvas.setFont(BODY, 7)
    canvas.drawString(20 * mm, 10 * mm, paper.title)
    canvas.drawRightString(A4[0] - 20 * mm, 10 * mm, f"Page {canvas.getPageNumber()}")


def pick_list_pdf(lists: Sequence[PickList]) -> bytes:
    """Pick lists, each place on pages of its own; one page says so where nothing is to pick."""
    now = f"{timezone.localtime():%-d %B %Y, %H:%M}"
    story: list[Any] = []
    for each in lists:
        story += [PageBreak()] if story else []
        story += [
            _p(f"Pick list: {each.place}", "title"),
            _p(f"{now}. {counted(len(each.orders), 'order')}, {counted(each.units, 'unit')}."),
            *(
                [_p(f"Left for the next list: {counted(each.left_out, 'order')}.")]
                if each.left_out
                else []
            ),
            Spacer(1, 5 * mm),
            _table(
                ("", "SKU", "What it is", "Units", "For order × units"),
                [("[  ]", row.code, row.name, row.units, _for(row.orders)) for row in each.rows],
                (0.07, 0.18, 0.35, 0.1, 0.3),
            ),
        ]
    return _paper("Pick list", story or [_p("Nothing is on the pick list.", "title"), _p(now)])


def _for(orders: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{number} × {units}" for number, units in orders)


def slip_pdf(slip: Slip) -> bytes:
    """A packing slip, without prices: it may lie in a present."""
    order = slip.order
    facts = [
        f"Order {order.number}",
        f"Placed {timezone.localtime(order.placed_at):%-d %B %Y}",
        *([f"Tracking number {slip.tracking}"] if slip.tracking else []),
    ]
    head = Table(
        [[[_p(part) for part in slip.address], [_p(part) for part in facts]]],
        [WIDTH * 0.6, WIDTH * 0.4],
        style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (0, 0), 0)]),
    )
    story = [
        _p(slip.seller, "strong"),
        _p(f"Packing slip {slip.number}", "title"),
        Spacer(1, 4 * mm),
        head,
        Spacer(1, 6 * mm),
        _table(("SKU", "What it is", "Units"), slip.rows, (0.25, 0.6, 0.15)),
    ]
    return _paper(f"Packing slip {slip.number}", story)
