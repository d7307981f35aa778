"""What rules hear of customers, and what they can do to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.utils import timezone

from automations.actions import Call, Change, Done, How, Outcome, SetAction, actions
from automations.triggers import Fact, Tags, Trigger, labelled, triggers
from backoffice.actors import Acting, Actors
from orders import signals
from orders.automation.actions import shown
from orders.automation.payloads import CustomerPayload, CustomerRecordFacts, TaggedFacts
from orders.automation.scans import customer_payloads
from orders.forms.orders import TagForm
from orders.models.customers import Customer, CustomerMerge
from orders.models.segments import Segment, SegmentMember
from orders.services.customers import Tagged, tag_customers, untag_customers
from orders.services.errors import BadTag
from orders.services.tags import clean_tag


class _CustomerTrigger(Trigger):
    subject = "orders.customer"
    customer = "customer.number"
    payload_class: ClassVar[type] = CustomerPayload

    def facts(
        self, *, customers: Sequence[Customer], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = self.payloads([each.pk for each in customers], **sent)
        now = timezone.now()
        return [
            Fact(each.pk, each.version, payloads[each.pk], now, actor.of(each.pk), history)
            for each in customers
        ]

    def payloads(self, ids: Iterable[int], **sent: Any) -> Mapping[int, Any]:
        return customer_payloads(ids)

    def current(self, ids: Iterable[int]) -> Mapping[int, Any]:
        return customer_payloads(ids)


@triggers.register
class BecameVip(_CustomerTrigger):
    key = "orders.customer_became_vip"
    label = "Customer became a VIP"
    example = "Customer 17850 has now spent £1,004.50, net of refunds."
    signal = signals.customers_became_vip


@triggers.register
class LostVip(_CustomerTrigger):
    key = "orders.customer_lost_vip"
    label = "Customer is no VIP any more"
    example = "A refund brings what customer 17850 has spent down to £940.00."
    signal = signals.customers_lost_vip


@dataclass(frozen=True, slots=True)
class CustomerTaggedPayload:
    customer: CustomerRecordFacts = labelled("Customer")
    tagged: TaggedFacts = labelled("Tagging")


@triggers.register
class CustomerTagged(_CustomerTrigger):
    key = "orders.customer_tagged"
    label = "Customer tagged"
    example = "Support tags customer 17850 “wholesale”."
    signal = signals.customers_tagged
    payload_class = CustomerTaggedPayload

    def payloads(self, ids: Iterable[int], **sent: Any) -> Mapping[int, Any]:
        tags: Mapping[int, tuple[str, ...]] = sent["tags"]
        return {
            pk: CustomerTaggedPayload(told.customer, TaggedFacts(Tags(tags[pk])))
            for pk, told in customer_payloads(ids).items()
        }

    def current(self, ids: Iterable[int]) -> Mapping[int, Any]:
        # A tag that was put on and is still there still counts as put on.
        return {
            pk: CustomerTaggedPayload(told.customer, TaggedFacts(told.customer.tags))
            for pk, told in customer_payloads(ids).items()
        }


@dataclass(frozen=True, slots=True)
class MergeFacts:
    number: str = labelled("Number of the one merged")
    orders_moved: int = labelled("Orders that moved")


@dataclass(frozen=True, slots=True)
class MergedPayload:
    customer: CustomerRecordFacts = labelled("Customer")
    merged: MergeFacts | None = labelled("Merge")


@triggers.register
class CustomerMerged(Trigger):
    key = "orders.customer_merged"
    label = "Customers merged"
    example = "Support merges the guest 18102 into customer 17850."
    subject = "orders.customer"
    customer = "customer.number"
    signal = signals.customers_merged
    payload_class = MergedPayload

    def facts(
        self, *, merges: Sequence[CustomerMerge], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        told = customer_payloads(merge.survivor_id for merge in merges)
        return [
            Fact(
                merge.survivor_id,
                merge.survivor.version,
                _merged(told[merge.survivor_id], merge),
                merge.at,
                actor.of(merge.survivor_id),
                history,
            )
            for merge in merges
        ]

    def current(self, ids: Iterable[int]) -> Mapping[int, Any]:
        told = customer_payloads(ids)
        rows = CustomerMerge.objects.filter(survivor__in=told, undone_at=None)
        last = {row.survivor_id: row for row in rows.select_related("merged").order_by("at")}
        return {pk: _merged(each, last.get(pk)) for pk, each in told.items()}


def _merged(told: CustomerPayload, merge: CustomerMerge | None) -> MergedPayload:
    if merge is None:
        return MergedPayload(told.customer, None)
    moved = merge.moves.filter(kind="order").count()
    return MergedPayload(told.customer, MergeFacts(merge.merged.number, moved))


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    key: str = labelled("Segment", about="The segment’s key, such as big-spenders.")
    name: str = labelled("Segment’s name")
    since: datetime | None = labelled("In it since")


@dataclass(frozen=True, slots=True)
class SegmentPayload:
    customer: CustomerRecordFacts = labelled("Customer")
    segment: SegmentFacts | None = labelled("Segment")


class _SegmentTrigger(Trigger):
    subject = "orders.customer"
    customer = "customer.number"
    payload_class = SegmentPayload

    def facts(
        self,
        *,
        segments: Mapping[int, Segment],
        members: Sequence[SegmentMember],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        ids = {member.customer_id for member in members}
        told = customer_payloads(ids)
        versions = dict(Customer.objects.filter(pk__in=ids).values_list("pk", "version"))
        now = timezone.now()
        return [
            Fact(
                member.customer_id,
                versions[member.customer_id],
                _in_segment(told[member.customer_id], segments[member.segment_id], member),
                now,
                actor.of(member.customer_id),
                history,
            )
            for member in members
        ]

    def current(self, ids: Iterable[int]) -> Mapping[int, Any]:
        """Customers as they are; the segment is the one they came into last, if any."""
        told = customer_payloads(ids)
        rows = SegmentMember.objects.filter(customer__in=told).select_related("segment")
        last = {row.customer_id: row for row in rows.order_by("since", "pk")}
        return {
            pk: _in_segment(each, last[pk].segment, last[pk])
            if pk in last
            else SegmentPayload(each.customer, None)
            for pk, each in told.items()
        }


def _in_segment(told: CustomerPayload, segment: Segment, member: SegmentMember) -> SegmentPayload:
    return SegmentPayload(told.customer, SegmentFacts(segment.slug, segment.name, member.since))


@triggers.register
class EnteredSegment(_SegmentTrigger):
    key = "orders.segment_entered"
    label = "Customer came into a segment"
    example = "Customer 17850 has spent over $500 in three months."
    signal = signals.segments_entered
    fixed = ("segment",)


@triggers.register
class LeftSegment(_SegmentTrigger):
    key = "orders.segment_left"
    label = "Customer left a segment"
    example = "Customer 17850 bought again, after six months."
    signal = signals.segments_left
    fixed = ("segment",)


class _TagAction(SetAction):
    """Puts one tag on a customer, or takes it off."""

    subject = "orders.customer"
    form = TagForm
    permission = "orders.tag_customer"
    writes = ("customer.tags",)
    adds: ClassVar[bool]

    def _write(self, tags: Mapping[int, Sequence[str]], actor: Acting, *, adds: bool) -> Tagged:
        service = tag_customers if adds else untag_customers
        return service(tags, actor=actor)

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers: list[Done | Outcome] = []
        for call in calls:
            tag = call.params["tag"]
            pk = call.subject_id
            done = self._write({pk: [tag]}, Actors({pk: call.actor}), adds=self.adds)
            says = f"Tagged {tag}" if self.adds else f"Tag {tag} removed"
            if pk in done:
                answers.append(Done(says, undo={"tag": tag}))
            else:
                had = f"Had the tag {tag} already" if self.adds else f"Had no tag {tag}"
                answers.append(Done(had, already=True))
        return answers

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        how = How.ADDS if self.adds else How.TAKES
        try:
            tag = clean_tag(str(params["tag"])) if params.get("tag") else None
        except BadTag:
            tag = None
        return (Change("customer.tags", how, f"the tag “{tag}”" if tag else "a tag", tag),)

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        tag, pk = done["tag"], call.subject_id
        back = self._write({pk: [tag]}, Actors({pk: call.actor}), adds=not self.adds)
        says = f"Took the tag {tag} off again" if self.adds else f"Tagged {tag} again"
        return Done(says) if pk in back else Done("It was so already", already=True)

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        tag = done["tag"]
        return f"Take the tag “{tag}” off" if self.adds else f"Tag the customer “{tag}” again"


@actions.register
class TagCustomer(_TagAction):
    key = "orders.tag_customer"
    label = "Tag the customer"
    announces = ("orders.customer_tagged",)
    adds = True

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        tag = self.changes(params)[0].value
        return {"tagged.tags": [tag]} if tag else {}

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Tag the customer “{shown(params['tag'])}”"


@actions.register
class UntagCustomer(_TagAction):
    key = "orders.untag_customer"
    label = "Take a tag off the customer"
    adds = False

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Take the tag “{shown(params['tag'])}” off the customer"
