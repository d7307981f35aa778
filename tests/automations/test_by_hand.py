"""Done by hand for many, from a file: told row by row what is wrong before anything is written."""

from __future__ import annotations

import pytest

from automations.models.failures import Failure, FailureAction
from automations.models.runs import Run
from automations.services import by_hand, failures
from automations.services.by_hand import Sheet
from backoffice.actors import person
from backoffice.sheets import SheetRefused
from tests.automations import factories as make
from tests.depot import signals
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


def failed(count: int = 3) -> list[Failure]:
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(count)
    make.work_all()
    return list(Failure.objects.order_by("pk"))


def about(case: Failure) -> Parcel:
    return Parcel.objects.get(pk=case.subject_id or 0)


def sheet(text: str, encoding: str = "utf-8") -> Sheet:
    return by_hand.check(text.encode(encoding))


def problems(found: Sheet) -> dict[int, str]:
    return {line.number: line.problem for line in found.bad}


def test_rows_name_a_case_or_an_order_and_a_reference() -> None:
    first, second, third = failed()
    number = about(second).number
    found = sheet(
        f"Case,Order number,Tracking number,Note\n{first.pk},,JD014,Sent by van\n"
        f',{number},="00341",\n#{third.pk},,JD016,\n\n'
    )
    assert problems(found) == {}
    assert [(line.case_id, line.reference, line.note) for line in found.lines] == [
        (first.pk, "JD014", "Sent by van"),
        (second.pk, "00341", ""),
        (third.pk, "JD016", ""),
    ]
    assert by_hand.as_rows(found.good)[str(second.pk)] == ["00341", ""]
    assert found.lines[1].says == second.says


def test_every_row_with_a_problem_says_so_at_the_row_and_nothing_is_written() -> None:
    first, second, third = failed()
    other = about(third).number
    by = person(make.staff("support"))
    failures.end_run(third.pk, version=third.version, reason="Sold.", actor=by)
    found = sheet(
        "case;order;reference;note\n"
        f"{first.pk};;JD1;\n"
        f"{first.pk};;JD2;\n"
        "999999;;JD3;\n"
        "x1;;JD4;\n"
        ";P-99999;JD5;\n"
        f"{second.pk};;;\n"
        f"{third.pk};;JD6;\n"
        ";;JD7;\n"
        f"{second.pk};;=HYPERLINK(1);\n"
        f"{second.pk};;1.23457E+11;\n"
        f"{second.pk};{other};JD8;\n"
    )
    assert problems(found) == {
        3: "Is the same case as row 2.",
        4: "There is no case 999999.",
        5: "“x1” is no case number.",
        6: "There is no case of P-99999.",
        7: "Has no reference that proves it.",
        8: "Is closed already.",
        9: "Names neither a case nor an order.",
        10: "Begins like a formula. Write the number itself.",
        11: "“1.23457E+11”: the spreadsheet dropped digits. Format the column as text.",
        12: f"Case {second.pk} is about {about(second).number}.",
    }
    assert [line.case_id for line in found.good] == [first.pk]
    assert not FailureAction.objects.filter(verb="by_hand").exists()
    assert Run.objects.filter(state="failed").count() == 2


def test_a_reference_that_stands_twice_is_pointed_out() -> None:
    first, second, _ = failed()
    found = sheet(f"case\treference\n{first.pk}\tJD1\n{second.pk}\tJD1\n", "utf-16")
    assert problems(found) == {}
    assert found.lines[1].hint == "The same reference as row 2."


def test_a_file_that_makes_no_sense_is_refused_with_what_to_do() -> None:
    for raw, words in (
        ("case,reference\n1,Größe\n".encode("latin-1"), "Line 2 is not written in UTF-8"),
        (b"", "The first line names the columns"),
        (b"order,note\n1,x\n", "The first line names the columns"),
        (b"case,reference\n\n", "no rows"),
        (b"case,reference\n" + b"1,x\n" * 5001, "more than 5,000 rows"),
        (b"x" * 2_000_001, "larger than 2 MB"),
    ):
        with pytest.raises(SheetRefused, match=words):
            by_hand.check(raw)


def test_an_order_with_two_open_cases_has_to_name_the_case() -> None:
    (case,) = failed(1)
    parcel = Parcel.objects.get()
    signals.parcels_damaged.send(sender=Parcel, parcels=[parcel], actor=None)
    found = sheet(f"order,reference\n{parcel.number},JD1\n")
    assert "Has 2 open cases" in problems(found)[2]
    damaged = Failure.objects.exclude(pk=case.pk).get()
    assert problems(sheet(f"case,reference\n{damaged.pk},JD1\n")) == {}


def test_a_question_is_no_step_to_do_by_hand() -> None:
    question = {"role": "finance", "question": "Keep it?", "due": "PT24H"}
    make.live_rule(steps=[{"uid": "p1", "ask": question}])
    make.parcels_arrived()
    make.work_all()
    found = sheet(f"case,reference\n{Failure.objects.get().pk},JD1\n")
    assert "Waits for an answer" in problems(found)[2]
