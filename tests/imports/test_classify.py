"""What invoices and lines mean, whose order a credit is, what stock there must have been."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from config.imports.online_retail.classify import Document, Kind, documents
from config.imports.online_retail.match import Cause, Credit, match_credits
from config.imports.online_retail.openings import changes, openings
from config.imports.online_retail.parse import parse
from config.imports.online_retail.report import Account, LineKind, account_for, as_text
from config.imports.problems import Problem
from config.imports.source import open_source
from tests.imports.files import STORY, UK, Line, write


class Read:
    """A file, read and understood."""

    def __init__(self, folder: Path, lines: Sequence[Line]) -> None:
        self.parsed = parse(open_source(write(folder, lines)))
        self.problems: list[Problem]
        self.documents: list[Document]
        self.documents, self.problems = documents(self.parsed.rows)
        self.credits: dict[str, Credit] = match_credits(self.documents, defaultdict(list))

    @property
    def kinds(self) -> dict[str, Kind]:
        return {document.number: document.kind for document in self.documents}

    @property
    def account(self) -> Account:
        return account_for(self.parsed, self.documents, self.credits, len(self.problems))

    @property
    def openings(self) -> dict[str, int]:
        return openings(changes(self.documents, self.credits), {})


def sale(
    number: str, code: str, units: int, at: str, *, customer: object = 1, price: str = "1.0"
) -> Line:
    return (number, code, "THING", units, f"2011-{at}:00", price, customer, UK)


def test_every_invoice_of_the_story_is_what_it_is(tmp_path: Path) -> None:
    kinds = Read(tmp_path, STORY).kinds
    assert {number: kind.value for number, kind in kinds.items()} == {
        "536365": "order",
        "536366": "order",
        "C536379": "credit",
        "536370": "order",
        "536414": "stock found",
        "536589": "stock write-off",
        "537001": "stock write-off",
        "536544": "order",
        "550193": "order",
        "C536500": "credit",
        "C536391": "credit",
        "C536758": "credit",
        "581483": "order",
        "C581484": "credit",
        "C537600": "expense",
        "537632": "expense",
        "C536779": "expense",
        "C539953": "expense",
        "C537581": "expense",
        "A563185": "bad debt",
        "A563186": "bad debt",
        "A563187": "bad debt",
        "539263": "nothing to book",
        "536840": "order",
        "538003": "order",
    }


def test_every_line_is_accounted_for_and_sums_agree(tmp_path: Path) -> None:
    account = Read(tmp_path, STORY).account
    assert account.total.lines == len(STORY)
    assert account.total.units == sum(int(str(line[3])) for line in STORY)
    value = sum(Decimal(str(line[3])) * Decimal(str(line[5])) for line in STORY)
    assert account.total.value == value
    assert account.total.rounding == Decimal("0.001")
    assert account.documents.total() == len({line[0] for line in STORY})
    assert set(account.lines) == set(LineKind) - {LineKind.RETURNED_PART, LineKind.OTHER_CHARGE,
        LineKind.POSTAGE_CREDIT, LineKind.MANUAL_CREDIT}  # fmt: skip
    assert account.unknown_countries == {"Unspecified": 1}
    assert "all lines" in as_text(account)


def test_an_invoice_over_two_minutes_is_one_order_at_its_first(tmp_path: Path) -> None:
    (order,) = [d for d in Read(tmp_path, STORY).documents if d.number == "536366"]
    assert len(order.rows) == 3
    assert order.at == datetime(2010, 12, 1, 8, 30, tzinfo=UTC)


def test_the_great_sale_is_cancelled_and_leaves_no_trace_in_the_stock(tmp_path: Path) -> None:
    read = Read(tmp_path, STORY)
    assert read.credits["C581484"].cancels == "581483"
    assert "23843" not in read.openings


def test_a_credit_takes_the_newest_orders_first_and_may_span_several(tmp_path: Path) -> None:
    read = Read(
        tmp_path,
        [
            sale("500001", "10001", 5, "01-01 10:00"),
            sale("500002", "10001", 5, "01-02 10:00"),
            sale("500003", "10002", 9, "01-03 10:00"),
            sale("C500004", "10001", -7, "01-04 10:00"),
        ],
    )
    back = read.credits["C500004"].back
    assert [(part.order, part.units) for part in back] == [("500002", 5), ("500001", 2)]
    assert read.credits["C500004"].strays == []


def test_units_come_back_once(tmp_path: Path) -> None:
    read = Read(
        tmp_path,
        [
            sale("500001", "10001", 5, "01-01 10:00"),
            sale("C500002", "10001", -4, "01-04 10:00"),
            sale("C500003", "10001", -4, "01-05 10:00"),
        ],
    )
    assert [part.units for part in read.credits["C500003"].back] == [1]
    (stray,) = read.credits["C500003"].strays
    assert (stray.units, stray.cause) == (3, Cause.TOO_MANY)
    assert read.account.lines[LineKind.RETURNED_PART].lines == 1


def test_a_later_order_explains_no_earlier_credit(tmp_path: Path) -> None:
    read = Read(
        tmp_path,
        [sale("C500001", "10001", -1, "01-01 10:00"), sale("500002", "10001", 5, "01-02 10:00")],
    )
    (stray,) = read.credits["C500001"].strays
    assert stray.cause is Cause.NEVER_BOUGHT


@pytest.mark.parametrize(
    ("credit", "why"),
    [
        (sale("C500002", "10001", -5, "01-02 10:00"), "the next day"),
        (sale("C500002", "10001", -4, "01-01 11:00"), "only a part"),
        (sale("C500002", "10001", -5, "01-01 11:00", price="0.9"), "another price"),
    ],
)
def test_what_may_have_been_shipped_is_returned_not_cancelled(
    tmp_path: Path, credit: Line, why: str
) -> None:
    read = Read(tmp_path, [sale("500001", "10001", 5, "01-01 10:00"), credit])
    assert read.credits["C500002"].cancels is None, why
    assert read.openings == {"10001": 5}


def test_opening_stock_is_the_deepest_deficit_over_time(tmp_path: Path) -> None:
    read = Read(
        tmp_path,
        [
            sale("500001", "10001", 5, "01-01 10:00"),
            sale("500002", "10001", 4, "01-02 10:00", customer="", price="0.0"),
            sale("500003", "10001", 2, "01-03 10:00"),
            sale("500004", "10001", -3, "01-03 11:00", customer="", price="0.0"),
            sale("500005", "10002", 3, "01-03 12:00", customer="", price="0.0"),
        ],
    )
    # −5, +4, −2, −3: the deepest point is −6; what was only found needs no opening.
    assert read.openings == {"10001": 6}


def test_what_the_ledger_holds_lowers_the_opening(tmp_path: Path) -> None:
    read = Read(tmp_path, [sale("500001", "10001", 5, "01-01 10:00")])
    added = changes(read.documents, read.credits)
    before = datetime(2010, 12, 31, tzinfo=UTC)
    after = datetime(2011, 12, 31, tzinfo=UTC)
    assert openings(added, {"10001": [(before, 3)]}) == {"10001": 2}
    assert openings(added, {"10001": [(after, 3)]}) == {"10001": 5}


@pytest.mark.parametrize(
    ("line", "column"),
    [
        (sale("C500001", "10001", 5, "01-01 10:00"), "Quantity"),
        (sale("500001", "10001", -5, "01-01 10:00"), "Quantity"),
        (sale("500001", "10001", 5, "01-01 10:00", price="-1.0"), "UnitPrice"),
        (sale("A500001", "10001", 5, "01-01 10:00"), "StockCode"),
    ],
)
def test_a_line_that_contradicts_its_prefix_is_a_problem(
    tmp_path: Path, line: Line, column: str
) -> None:
    read = Read(tmp_path, [line])
    assert [problem.column for problem in read.problems] == [column]
    assert read.documents == []
    assert read.account.bad_lines == 1


@pytest.mark.parametrize(
    ("place", "value", "column"),
    [(6, 2, "CustomerID"), (7, "France", "Country"), (3, -1, "Quantity")],
)
def test_a_line_that_contradicts_its_invoice_is_a_problem(
    tmp_path: Path, place: int, value: object, column: str
) -> None:
    first = sale("500001", "10001", 5, "01-01 10:00", customer="", price="0.0")
    second = tuple(value if at == place else old for at, old in enumerate(first))
    read = Read(tmp_path, [first, second])
    assert [(problem.line, problem.column) for problem in read.problems] == [(3, column)]
    assert len(read.documents[0].rows) == 1
