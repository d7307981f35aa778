"""Reading a file in the Online Retail format, and saying what is wrong with it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from config.imports.online_retail.parse import Parsed, parse
from config.imports.problems import UnreadableFile
from config.imports.source import open_source
from tests.imports.files import HEADER, STORY, UK, as_text, write

SALE = ("536365", "85123A", "HEART", 6, "2010-12-01 08:26:00", "2.55", 17850, UK)


def read(path: Path, *, encoding: str | None = None, date_format: str | None = None) -> Parsed:
    return parse(open_source(path, encoding), date_format=date_format)


def changed(**values: object) -> tuple[object, ...]:
    return tuple(values.get(name, value) for name, value in zip(HEADER, SALE, strict=True))


def test_every_line_is_read(tmp_path: Path) -> None:
    parsed = read(write(tmp_path))
    assert len(parsed.rows) == len(STORY)
    assert parsed.problems == []


def test_a_packed_file_reads_the_same_whatever_it_is_called(tmp_path: Path) -> None:
    plain = read(write(tmp_path))
    packed = write(tmp_path, name="orders.csv.gz")
    assert read(packed).rows == plain.rows
    packed.rename(tmp_path / "packed.csv")
    assert read(tmp_path / "packed.csv").rows == plain.rows
    assert (
        open_source(tmp_path / "packed.csv").sha256 == open_source(tmp_path / "orders.csv").sha256
    )


def test_london_summer_time_becomes_utc(tmp_path: Path) -> None:
    winter, summer = "2010-12-01 08:26:00", "2011-07-26 10:13"
    rows = read(write(tmp_path, [changed(InvoiceDate=winter), changed(InvoiceDate=summer)])).rows
    assert [row.at for row in rows] == [
        datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
        datetime(2011, 7, 26, 9, 13, tzinfo=UTC),
    ]


def test_prices_keep_their_decimals_and_descriptions_their_spaces(tmp_path: Path) -> None:
    (row,) = read(write(tmp_path, [changed(UnitPrice="0.001", Description=" HEART  ")])).rows
    assert row.price == Decimal("0.001")
    assert row.description == " HEART  "


def test_codes_that_differ_by_case_only_stay_apart(tmp_path: Path) -> None:
    codes = {row.code for row in read(write(tmp_path)).rows}
    assert {"15056BL", "15056bl"} <= codes


def test_rows_of_an_invoice_are_counted_unreadable_ones_included(tmp_path: Path) -> None:
    rows = read(write(tmp_path, [SALE, changed(Quantity="six"), SALE])).rows
    assert [row.row for row in rows] == [1, 3]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("InvoiceNo", "53636"),
        ("StockCode", " 85123A"),
        ("StockCode", ""),
        ("Quantity", "1,200"),
        ("Quantity", "0"),
        ("Quantity", "2.5"),
        ("InvoiceDate", "31/12/2010 08:26"),
        ("InvoiceDate", "2010-02-30 08:26:00"),
        ("InvoiceDate", "2011-03-27 01:30:00"),
        ("InvoiceDate", "2010-12-01T08:26:00+00:00"),
        ("UnitPrice", "£2.55"),
        ("UnitPrice", "2,55"),
        ("UnitPrice", "NaN"),
        ("UnitPrice", "1e3"),
        ("CustomerID", "17850.5"),
        ("Country", "Untied Kingdom"),
        ("Country", ""),
    ],
)
def test_a_bad_value_is_named_by_line_column_and_value(
    tmp_path: Path, column: str, value: str
) -> None:
    parsed = read(write(tmp_path, [SALE, changed(**{column: value})]))
    (problem,) = parsed.problems
    assert (problem.line, problem.column, problem.value) == (3, column, value)
    assert problem.says.endswith(".")
    assert (len(parsed.rows), parsed.bad_lines) == (1, 1)


def test_all_that_is_wrong_with_a_line_is_said_at_once(tmp_path: Path) -> None:
    parsed = read(write(tmp_path, [changed(Quantity="x", UnitPrice="y", Country="z")]))
    assert [problem.column for problem in parsed.problems] == ["Quantity", "UnitPrice", "Country"]
    assert parsed.bad_lines == 1


def test_a_near_country_is_proposed(tmp_path: Path) -> None:
    (problem,) = read(write(tmp_path, [changed(Country="Untied Kingdom")])).problems
    assert "Did you mean United Kingdom?" in problem.says


def test_a_line_with_too_many_fields_is_a_problem_and_a_blank_line_is_not(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(as_text([SALE]) + "536365,71053,WHITE, METAL,6,2010-12-01 08:26:00,3,1,UK\n\n")
    parsed = read(path)
    (problem,) = parsed.problems
    assert "9 fields" in problem.says
    assert (len(parsed.rows), parsed.bad_lines, parsed.blank_lines) == (1, 1, 1)


def test_western_european_bytes_are_named_and_the_way_out_is_said(tmp_path: Path) -> None:
    lines = [SALE, changed(Description="Gift Voucher £20.00")]
    path = write(tmp_path, lines, encoding="cp1252")
    (problem,) = read(path).problems
    assert (problem.line, problem.column, problem.value) == (
        3,
        "Description",
        "Gift Voucher £20.00",
    )
    assert "--encoding cp1252" in problem.says
    assert len(read(path, encoding="cp1252").rows) == 2


def test_utf_8_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    parsed = read(write(tmp_path, encoding="utf-8-sig"))
    assert len(parsed.rows) == len(STORY)


def test_utf_16_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path, encoding="utf-16")
    with pytest.raises(UnreadableFile, match="--encoding utf-16"):
        read(path)
    assert len(read(path, encoding="utf-16").rows) == len(STORY)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,CustomerID\n")
    with pytest.raises(UnreadableFile, match="lacks UnitPrice, Country"):
        read(path)


def test_the_column_names_of_the_later_edition_are_known(tmp_path: Path) -> None:
    header = ["Invoice", "StockCode", "Description", "Quantity", "InvoiceDate", "Price"]
    header += ["Customer ID", "Country", "Remark"]
    path = tmp_path / "orders.csv"
    path.write_text(as_text([(*SALE, "x")], header))
    parsed = read(path)
    assert len(parsed.rows) == 1
    assert "Column “Remark” is not known and was left aside." in parsed.notes


def test_another_form_of_dates_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, [changed(InvoiceDate="12/1/2010 8:26")])
    assert "--date-format" in read(path).problems[0].says
    (row,) = read(path, date_format="%m/%d/%Y %H:%M").rows
    assert row.at == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_separators_are_refused(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(sign.join(HEADER) + "\n")
    with pytest.raises(UnreadableFile, match="Save the file with commas"):
        read(path)


def test_a_quote_that_never_closes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(as_text([SALE]) + '536365,71053,"WHITE\n' + "x\n" * 10)
    with pytest.raises(UnreadableFile, match="quoting is broken"):
        read(path)


def test_damaged_packing_an_empty_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    packed = write(tmp_path, STORY * 50, name="orders.csv.gz")
    packed.write_bytes(packed.read_bytes()[:-200])
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    for path, words in ((packed, "damaged"), (empty, "empty"), (tmp_path / "no.csv", "no file")):
        with pytest.raises(UnreadableFile, match=words):
            read(path)
