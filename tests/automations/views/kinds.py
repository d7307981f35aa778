"""One case of every kind, and one run of every outcome, to look at and to work on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import answers, approvals, stops
from automations.services.approvals import FirstLook
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.depot import signals
from tests.depot.models import Parcel

LIMITS: dict[str, dict[str, Any]] = {
    "runs": {"runs": {"per_hour": 1}},
    "runs_a_day": {"runs": {"per_day": 1}},
    "money": {"money": {"per_day": {"amount": "20.00", "currency": "GBP"}}},
    "money_an_hour": {"money": {"per_hour": {"amount": "20.00", "currency": "GBP"}}},
    "units": {"units": {"per_day": 2}},
    "units_an_hour": {"units": {"per_hour": 2}},
    "messages": {"messages": {"per_hour": 1}},
    "messages_a_day": {"messages": {"per_day": 1}},
    "per_subject": {"per_subject": {"runs": 1, "within": "P1D"}},
    "per_customer": {"per_customer": {"runs": 1, "within": "P1D"}},
}
ASK = {"uid": "p1", "ask": {"role": "finance", "question": "Keep it?", "due": "PT24H"}}
WAIT = {"uid": "w1", "wait": "PT30M", "end_run_on": ["depot.parcel_lost"]}


def of_country(code: str) -> dict[str, Any]:
    return {"all": [{"field": "parcel.country", "op": "is", "value": code}]}


def rule(code: str, name: str, steps: list[dict[str, Any]], **changes: Any) -> Rule:
    """A live rule of its own country, so that parcels meet one rule each."""
    return make.live_rule(name=name, when=of_country(code), steps=steps, **changes)


def arrive(code: str, count: int = 1, **fields: Any) -> list[Parcel]:
    found = make.parcels_arrived(count, country=code, **fields)
    make.work_all()
    return found


def only(**which: Any) -> Failure:
    return Failure.objects.filter(**which).order_by("-pk")[:1].get()


@dataclass(slots=True)
class Kinds:
    """Cases by kind and runs by outcome."""

    cases: dict[str, Failure] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)


def failures() -> Kinds:
    """Cases that runs which stand still opened, each of another error, and a reported one."""
    found = Kinds()
    rule("AT", "Choosy", make.steps("depot.add_tag", "depot.choosy", "depot.add_tag", tag="no"))
    for name in ("rejected", "skip", "by_hand", "end", "retry"):
        arrive("AT")
        found.cases[name] = only(error="rejected")
    rule("BE", "Buggy", make.steps("depot.buggy"))
    Parcel.objects.create(number="P-13", country="BE", total="250.00", carrier="dhl")
    make.arrive(list(Parcel.objects.filter(number="P-13")))
    make.work_all()
    found.cases["bug"] = only(error="bug")
    carrier = {"field": "parcel.carrier", "op": "is", "value": "x"}
    make.live_rule(name="Carrier", when={"all": [*of_country("CH")["all"], carrier]})
    arrive("CH", carrier="")
    found.cases["missing"] = only(error="missing")
    rule("CZ", "Flaky", make.steps("depot.flaky"))
    arrive("CZ", moods=99)
    Run.objects.filter(state="due").update(attempts=7, run_after=timezone.now())
    make.work_all()
    found.cases["retries"] = only(error="retries")
    signals.parcels_damaged.send(sender=Parcel, parcels=make.make_parcels(), actor=None)
    found.cases["domain"] = only(error="domain")
    return found


def answers_wanted() -> Kinds:
    """Cases that wait for an answer: questions, drafts, an unanswered one, and one in doubt."""
    found = Kinds()
    rule("DE", "Asks first", [ASK, *make.steps("depot.add_tag")])
    for name in ("question", "question_no", "unanswered"):
        arrive("DE")
        found.cases[name] = only(error="question")
    Failure.objects.filter(pk=found.cases["unanswered"].pk).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )
    sweep()
    rule("FR", "Sorts", [{"uid": "a1", "do": "depot.sort", "with": {"tag": "guess"}}])
    for name in ("unsure", "unsure_wrong"):
        arrive("FR")
        found.cases[name] = only(error="unsure")
    rule("DK", "Calls", make.steps("depot.choosy", tag="no"))
    arrive("DK")
    found.cases["doubt"] = only(error="rejected")
    Failure.objects.filter(pk=found.cases["doubt"].pk).update(
        error="doubt", says="The carrier did not answer: the label may be booked."
    )
    for case in found.cases.values():
        case.refresh_from_db()
    return found


def limited() -> Kinds:
    """A case for each kind of limit, each with runs that wait."""
    found = Kinds()
    codes = ("ES", "FI", "GR", "HU", "IE", "IT", "BG", "HR", "EE", "LV")
    for code, (name, limits) in zip(codes, LIMITS.items(), strict=True):
        steps = make.steps("depot.pay_duty", amount="20.00")
        rule(code, f"Limit on {name}", steps, limits=limits)
        parcels = arrive(code, 1, sender="ann")
        if name == "per_subject":
            make.arrive(parcels)
            make.work_all()
        else:
            arrive(code, 2, sender="ann")
        found.cases[name] = only(error="limit")
    return found


def first_look(reviewer: User, code: str = "LU") -> Failure:
    """A version that has done two runs and waits for its reviewer."""
    document = make.submit(make.make_rule(name=f"New version {code}", when=of_country(code)))
    approvals.approve(
        document.pk,
        sha256=document.sha256,
        actor=person(make.approver(document)),
        first_look=FirstLook(reviewer.pk, after=2),
    )
    arrive(code, 5)
    return only(error="first_look")


def circle() -> Failure:
    """A run that its own rule led to, and which was kept back for that."""
    tells = make.steps("depot.add_tag_and_tell")
    make.live_rule(name="Goes round", trigger={"on": "depot.parcel_tagged"}, steps=tells)
    rule("LT", "Begins it", tells)
    arrive("LT")
    return only(error="loop")


def stopped() -> tuple[Rule, Failure]:
    """A rule that was stopped after one of its runs had failed, and that run's case."""
    found = rule("MT", "Stopped since", make.steps("depot.choosy", tag="no"))
    arrive("MT")
    case = only(error="rejected", rule=found)
    stops.stop_rule(found.pk, reason="Wrong tags.", actor=person(make.author()))
    return found, case


def outcomes() -> Kinds:
    """A run of every outcome."""
    found = Kinds()

    def newest() -> Run:
        return Run.objects.order_by("-pk")[:1].get()

    rule("NL", "Does", make.steps("depot.stamp", "depot.add_tag"))
    arrive("NL")
    found.runs["done"] = newest()
    rule("NO", "Waits", [WAIT, *make.steps("depot.add_tag")])
    arrive("NO")
    found.runs["waiting"] = newest()
    (gone,) = arrive("NO")
    signals.parcels_lost.send(sender=Parcel, parcels=[gone], actor=None, history=False)
    make.match_all()
    found.runs["cancelled"] = newest()
    (moved,) = arrive("NO")
    Parcel.objects.filter(pk=moved.pk).update(country="XX", version=F("version") + 1)
    late = newest()
    Run.objects.filter(pk=late.pk).update(run_after=timezone.now())
    make.execute_all()
    found.runs["overtaken"] = late
    rule("PL", "Holds", [ASK, *make.steps("depot.add_tag")])
    arrive("PL")
    found.runs["held"] = newest()
    rule("PT", "Fails", make.steps("depot.choosy", tag="no"))
    arrive("PT")
    found.runs["failed"] = newest()
    capped = rule("RO", "Capped", make.steps("depot.add_tag"), limits={"runs": {"per_hour": 1}})
    arrive("RO", 2)
    found.runs["parked"] = Run.objects.get(rule_id=capped.pk, state="parked")
    left = rule("SE", "Left", make.steps("depot.add_tag"), limits={"runs": {"per_hour": 1}})
    arrive("SE", 2)
    case = only(error="limit")
    answers.cancel_parked(
        case.pk, version=case.version, reason="Too many.", actor=person(make.staff("support"))
    )
    found.runs["skipped"] = Run.objects.get(rule_id=left.pk, state="skipped")
    rule("SI", "Tries", make.steps("depot.flaky"))
    arrive("SI", moods=9)
    found.runs["due"] = newest()
    rule("SK", "Calls", make.steps("depot.add_tag"))
    make.parcels_arrived(1, country="SK")
    make.match_all()
    calling = newest()
    Run.objects.filter(pk=calling.pk).update(
        state="calling",
        lane="carrier",
        cursor="a1",
        lease_token=1,
        lease_until=timezone.now() + timedelta(minutes=5),
    )
    found.runs["calling"] = calling
    for run in found.runs.values():
        run.refresh_from_db()
    return found


def looped(items: int = 25) -> Run:
    """A run with a branch and a long loop, of which one item failed."""
    inner = {"uid": "a1", "do": "depot.choosy", "with": {"tag": {"field": "item.sku"}}}
    branch = {
        "uid": "b1",
        "if": {"all": [{"field": "item.quantity", "op": "gt", "value": 1}]},
        "then": [{"uid": "a2", "do": "depot.add_tag", "with": {"tag": "several"}}],
        "else": [],
    }
    loop = {"uid": "l1", "for_each": "parcel.items", "steps": [inner, branch]}
    stamp = {"uid": "s1", "do": "depot.stamp", "with": {"tag": "begun"}}
    rule("US", "Each item", [stamp, loop])
    listed = [
        {"sku": "no" if at == items - 2 else f"S{at:02}", "quantity": 1 + at % 2}
        for at in range(items)
    ]
    arrive("US", items=listed)
    return Run.objects.order_by("-pk")[:1].get()
