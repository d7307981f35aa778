"""What inventory offers to rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, prefetch_related_objects
from django.utils import timezone

from automations.actions import Call, Change, Done, How, Outcome, Rejected, SetAction, actions
from automations.triggers import Fact, Scan, Trigger, labelled, scans, triggers
from backoffice.actors import Acting, Actors
from backoffice.money import Money
from inventory import signals
from inventory.forms import ReorderPointForm
from inventory.models import Sku, StockMove
from inventory.queries.levels import available
from inventory.services.skus import set_reorder_point


@dataclass(frozen=True, slots=True)
class SkuFacts:
    code: str = labelled("SKU", about="Upper and lower case differ.", lasting=True)
    available: int = labelled("Can be sold", about="On hand less what is promised or held.")
    reorder_point: int | None = labelled("Reorder point")
    unit_cost: Money | None = labelled("Unit cost")
    fragile: bool = labelled("Fragile", lasting=True)
    is_active: bool = labelled("Active")
    allow_backorder: bool = labelled("May be sold beyond stock")


@dataclass(frozen=True, slots=True)
class SkuPayload:
    sku: SkuFacts = labelled("Product")


@dataclass(frozen=True, slots=True)
class WriteOffFacts:
    quantity: int = labelled("Units")
    value: Money | None = labelled("Worth", about="Units times unit cost; empty without a cost.")
    note: str = labelled("Why, in a word")
    location: str = labelled("Place")


@dataclass(frozen=True, slots=True)
class StockWrittenOffPayload:
    sku: SkuFacts = labelled("Product")
    write_off: WriteOffFacts | None = labelled("Write-off")


def _facts(sku: Sku, left: Mapping[int, int]) -> SkuFacts:
    return SkuFacts(
        code=sku.code,
        available=left.get(sku.pk, 0),
        reorder_point=sku.reorder_point,
        unit_cost=sku.cost,
        fragile=sku.is_fragile,
        is_active=sku.is_active,
        allow_backorder=sku.allow_backorder,
    )


def sku_facts(ids: Iterable[int]) -> dict[int, tuple[Sku, SkuFacts]]:
    """Products as they stand now, each with what rules see of it, by id."""
    skus = Sku.objects.in_bulk(set(ids))
    left = available(skus)
    return {pk: (sku, _facts(sku, left)) for pk, sku in skus.items()}


@triggers.register
class StockLow(Trigger):
    key = "inventory.stock_low"
    label = "Stock fell to the reorder point"
    example = "85123A has 4 left, its reorder point is 5."
    subject = "inventory.sku"
    signal = signals.stock_fell_low
    payload_class = SkuPayload

    def facts(
        self,
        *,
        skus: Sequence[Sku],
        available: Mapping[int, int],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        now = timezone.now()
        return [
            Fact(
                subject_id=sku.pk,
                subject_version=sku.version,
                payload=SkuPayload(_facts(sku, available)),
                occurred_at=now,
                actor=actor.of(sku.pk),
                history=history,
            )
            for sku in skus
        ]

    def current(self, ids: Iterable[int]) -> dict[int, SkuPayload]:
        return {pk: SkuPayload(facts) for pk, (_, facts) in sku_facts(ids).items()}


@triggers.register
class StockWrittenOff(Trigger):
    key = "inventory.stock_written_off"
    label = "Stock written off"
    example = "12 units of 85123A are written off in MAIN: damaged."
    subject = "inventory.sku"
    signal = signals.stock_written_off
    payload_class = StockWrittenOffPayload

    def facts(
        self, *, moves: Sequence[StockMove], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        known = sku_facts(move.sku_id for move in moves)
        return [
            Fact(
                subject_id=move.sku_id,
                subject_version=known[move.sku_id][0].version,
                payload=StockWrittenOffPayload(
                    known[move.sku_id][1], _write_off(move, known[move.sku_id][0])
                ),
                occurred_at=move.occurred_at,
                actor=actor.of(move.sku_id),
                history=history,
            )
            for move in _with_places(moves)
        ]

    def current(self, ids: Iterable[int]) -> dict[int, StockWrittenOffPayload]:
        # Moves are never changed, so the last one of a SKU still says what was lost.
        known = sku_facts(ids)
        last = {
            move.sku_id: move
            for move in StockMove.objects.filter(
                sku_id__in=known, reason=StockMove.Reason.WRITE_OFF
            )
            .order_by("sku_id", "-occurred_at", "-pk")
            .distinct("sku_id")
            .select_related("from_location")
        }
        return {
            pk: StockWrittenOffPayload(facts, _write_off(last[pk], sku) if pk in last else None)
            for pk, (sku, facts) in known.items()
        }


def _with_places(moves: Sequence[StockMove]) -> Sequence[StockMove]:
    prefetch_related_objects(moves, "from_location")
    return moves


def _write_off(move: StockMove, sku: Sku) -> WriteOffFacts:
    return WriteOffFacts(
        quantity=move.quantity,
        value=(sku.cost * move.quantity).rounded() if sku.cost else None,
        note=move.note,
        location=move.from_location.code,
    )


@scans.register
class Skus(Scan):
    key = subject = "inventory.sku"
    label = "Products"
    example = "Every SKU, sold any more or not."
    payload_class = SkuPayload
    # Not what can be sold: it is summed up over places.
    columns = {
        "sku.code": "code",
        "sku.reorder_point": "reorder_point",
        "sku.unit_cost": ("unit_cost", "cost_currency"),
        "sku.fragile": "is_fragile",
        "sku.is_active": "is_active",
        "sku.allow_backorder": "allow_backorder",
    }

    def rows(self) -> QuerySet[Sku]:
        return Sku.objects.all()

    def current(self, ids: Iterable[int]) -> dict[int, SkuPayload]:
        return {pk: SkuPayload(facts) for pk, (_, facts) in sku_facts(ids).items()}


@actions.register
class SetReorderPoint(SetAction):
    key = "inventory.set_reorder_point"
    label = "Set the reorder point"
    subject = "inventory.sku"
    form = ReorderPointForm
    permission = "inventory.set_reorder_point"
    writes = ("sku.reorder_point",)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        point = params.get("point")
        return (Change("sku.reorder_point", How.SETS, "the reorder point", point),)

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers: dict[int, Done | Outcome] = {}
        rows = Sku.objects.filter(pk__in={call.subject_id for call in calls})
        before = dict(rows.values_list("pk", "reorder_point"))
        for point in sorted({call.params["point"] for call in calls}):
            part = [call for call in calls if call.params["point"] == point]
            actor = Actors({call.subject_id: call.actor for call in part})
            changed = {
                sku.pk: {"was": before[sku.pk], "is": point}
                for sku in set_reorder_point(actor.by_subject, point, actor=actor)
            }
            for position, call in enumerate(calls):
                if call.params["point"] == point:
                    kept = changed.pop(call.subject_id, None)
                    answers[position] = self._answer(point, kept, call.subject_id in before)
                    if kept is not None:
                        before[call.subject_id] = point
        return [answers[position] for position in range(len(calls))]

    def _answer(self, point: int, kept: dict[str, Any] | None, known: bool) -> Done | Outcome:
        if not known:
            return Rejected("This SKU does not exist any more.")
        if kept is None:
            return Done(f"The reorder point was {point} already", already=True)
        return Done(f"Reorder point set to {point}", undo=kept)

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        sku = Sku.objects.filter(pk=subject_id).first()
        if not done or sku is None:
            return "This can't be undone."
        if sku.reorder_point != done["is"]:
            return f"The reorder point is {sku.reorder_point} by now: someone changed it."
        return ""

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        if why := self.why_not_undone(call.subject_id, done):
            raise Rejected(why)
        set_reorder_point([call.subject_id], done["was"], actor=call.actor)
        return Done(f"Reorder point set back to {_point(done['was'])}")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Set the reorder point back to {_point(done['was'])}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        match params["point"]:
            case {"field": str(name)} | {"param": str(name)}:
                return f"Set the reorder point to {name}"
        return f"Set the reorder point to {params['point']}"


def _point(value: int | None) -> str:
    return "none" if value is None else str(value)
