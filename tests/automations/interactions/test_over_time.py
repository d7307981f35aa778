"""What rules on different facts do to one record is told once, weakly, the riskier before."""

from __future__ import annotations

from datetime import datetime
from time import process_time

from automations.interactions.checking import check
from automations.interactions.findings import GRAVE, Finding, Kind
from tests.automations.interactions.parties import (
    CANCELLED,
    HELD,
    PAID,
    PLACED,
    RELEASED,
    TAGGED,
    R,
    clause,
    country,
    findings,
    hold,
    priority,
    refund,
    release,
    tag,
    total,
    untag,
)
from tests.automations.interactions.planted import BIG, FRANCE, SMALL
from tests.automations.interactions.planted_apart import WROTE, mail

STARTS = (PAID, HELD, RELEASED, CANCELLED, TAGGED)


def over_time(*rules: R) -> list[Finding]:
    return [found for found in findings(*rules) if found.kind is Kind.OVER_TIME]


def test_it_says_that_it_may_come_to_that_and_on_what_the_other_starts() -> None:
    (found,) = over_time(R(PLACED, [BIG], [hold("fraud")]), R(PAID, [BIG], [release("fraud")]))
    assert found.title == "Opposite actions at different times"
    assert found.says == (
        "This rule will put the order on hold: possible fraud. “Rule 2” starts on “Order paid in "
        "full” and will release the order from hold: possible fraud. Over time both may come to "
        "one record."
    )
    assert (found.apart, found.kind in GRAVE, found.is_certain) == (True, False, True)
    assert dict(found.shown())["Order › Total"] == "£500.00"


def test_the_example_starts_the_rule_on_a_record_that_the_other_comes_to() -> None:
    (found,) = over_time(R(PLACED, [BIG], [tag("a")]), R(PAID, [FRANCE], [untag("a")]))
    made, (mine, doing) = found.example, found.both[0]
    assert made is not None
    assert mine.does(doing, made.facts, made.lists, datetime.now().astimezone())
    # It ships where the other rule asks it to.
    assert made.facts["order.country"] == "FR"


def test_many_that_write_to_the_customer_are_one_finding() -> None:
    rules = [R(STARTS[number % 5], [FRANCE], [mail(f"Mail {number}")]) for number in range(40)]
    (found,) = over_time(R(PLACED, [BIG], [mail("Thank you")]), *rules)
    assert len(found.rules) == 40
    assert found.says == (
        "This rule and 40 others that start on something else (“Rule 2”, “Rule 3”, “Rule 4” and 37 "
        "more) each make contact with the customer: over time all of them for one record."
    )


def test_those_that_can_not_come_to_the_same_record_are_not_in_it() -> None:
    rules = [R(PAID, [FRANCE if n % 2 else SMALL], [mail(f"Mail {n}")]) for n in range(6)]
    (found,) = over_time(R(PLACED, [BIG], [mail("Thank you")]), *rules)
    assert [party.name for party in found.rules] == ["Rule 3", "Rule 5", "Rule 7"]


def test_money_comes_before_opposites_and_these_before_the_same_tag() -> None:
    mine = R(CANCELLED, [BIG], [tag("a"), hold("fraud"), mail("Sorry"), refund()])
    does = [[tag("a")], [release("fraud")], [mail("Hello")], [refund()]]
    found = over_time(mine, *[R(PAID, [], steps) for steps in does])
    assert [each.title for each in found] == [
        "Done again at another time",
        "Done again at another time",
        "Opposite actions at different times",
        "The same again, at another time",
    ]
    assert [each.rules[0].name for each in found] == ["Rule 5", "Rule 4", "Rule 3", "Rule 2"]


def test_what_is_undone_at_once_is_not_told_a_second_time() -> None:
    found = findings(R(PLACED, [BIG], [hold("fraud")]), R(HELD, [FRANCE], [release()]))
    assert [str(each.kind) for each in found] == ["undoes"]


def test_a_rule_is_not_over_time_against_itself_nor_against_one_that_starts_on_the_same() -> None:
    assert over_time(R(PLACED, [BIG], [hold("fraud")])) == []
    assert over_time(R(PLACED, [], [hold("fraud")]), R(PLACED, [], [release("fraud")])) == []
    assert over_time(R(PLACED, [BIG], [hold("fraud")]), R(WROTE, [], [priority("high")])) == []


def five_hundred() -> list[R]:
    """Rules of all triggers that do what the rule does, or the opposite, on what overlaps."""
    rules = []
    for number in range(500):
        asks = [
            total("gte", str(100 + number)),
            {"any": [country("is", code) for code in ("FR", "ES", "DE", "IT")[: 1 + number % 4]]},
            clause("order.units", "lt", 4 + number % 9),
        ]
        steps = [
            [mail(f"Mail {number}")],
            [release("fraud"), tag(f"t{number % 7}")],
            [refund()],
            [untag(f"t{number % 5}"), hold("fraud")],
        ][number % 4]
        rules.append(R((*STARTS, PLACED)[number % 6], asks, steps, at=number))
    return rules


def test_a_rule_is_compared_with_five_hundred_while_one_submits() -> None:
    asks = [total("gte", "300"), country("in", ["FR", "DE"])]
    mine = R(PLACED, asks, [hold("fraud"), tag("t1"), mail("Thank you"), refund()])
    took = []
    for _ in range(3):
        one, *others = [
            rule.party(f"Rule {n}", n) for n, rule in enumerate([mine, *five_hundred()])
        ]
        began = process_time()
        found = [each for each in check(one, others) if each.kind is Kind.OVER_TIME]
        took.append(process_time() - began)
        # Of no thing is it told twice.
        assert len({(each.title, each.uids) for each in found}) == len(found)
        assert sum(len(each.rules) for each in found) > 250
    # Half a second where nothing else runs.
    assert min(took) < 2.0, took
