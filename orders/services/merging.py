"""Two records of one person made one, and taken apart again.

The merged record keeps all it knew and stands for nobody; its orders and returns go to the
survivor, each written down, and exactly these go back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Actor
from backoffice.counting import counted
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.credit import CreditAccount
from orders.models.customers import Customer, CustomerMerge, MergeMove, NotDuplicate
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.errors import NotMerged
from orders.services.figures import lock_customers, recount
from orders.services.outcomes import lock_orders
from orders.services.vip import settle_vips

# What people choose between; all else of the survivor stays.
CHOSEN = ("name", "email", "phone", "postcode", "country", "company", "vat_id", "kind")
_LABEL = "orders.customer"
# An order placed meanwhile makes us begin anew; somebody who orders faster than that is no person.
_TRIES = 5


class _PlacedMeanwhile(Exception):
    """The orders that were locked are not all of them."""


@dataclass(frozen=True, slots=True)
class Undone:
    """A merge that was taken back. `stayed` are the survivor's orders placed after the merge."""

    merge: CustomerMerge
    moved_back: int
    stayed: list[str]


def merge_customers(
    survivor_id: int,
    merged_id: int,
    *,
    take: Mapping[str, bool] | None = None,
    versions: Mapping[int, int] | None = None,
    actor: Actor,
) -> CustomerMerge:
    """Make one customer of two; of each field in `take` that is true, the merged one's is kept.

    Raises NotMerged, StaleVersion. Announces customers_merged.
    """
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return _merge(survivor_id, merged_id, take or {}, versions, actor)
        except _PlacedMeanwhile:
            continue
    raise NotMerged("Orders of this customer keep coming in. Try again in a minute.")


def _merge(
    survivor_id: int,
    merged_id: int,
    take: Mapping[str, bool],
    versions: Mapping[int, int] | None,
    actor: Actor,
) -> CustomerMerge:
    survivor, merged, orders = _locked(survivor_id, merged_id)
    refuse_stale([survivor, merged], versions)
    _refuse_unfit(survivor, merged)
    merge = CustomerMerge(
        survivor=survivor,
        merged=merged,
        actor_kind=actor.kind,
        actor_label=actor.label,
        user_id=actor.user_id,
    )
    _take_over(merge, take)
    merge.save()
    returns = list(ReturnOrder.objects.select_for_update(no_key=True).filter(customer=merged))
    MergeMove.objects.bulk_create(
        [
            *(MergeMove(merge=merge, kind="order", object_id=each.pk) for each in orders),
            *(MergeMove(merge=merge, kind="return", object_id=each.pk) for each in returns),
        ],
        batch_size=2000,
    )
    _hand(Order, [each.pk for each in orders], survivor)
    _hand(ReturnOrder, [each.pk for each in returns], survivor)
    merged.merged_into = survivor
    merged.version += 1
    merged.save(update_fields=["merged_into", "version"])
    _recounted(survivor, merged, actor=actor)
    told = f"{counted(len(orders), 'order')} and {counted(len(returns), 'return')}"
    _tell(
        merge, f"{merged} was merged into this customer: {told}", f"Merged into {survivor}", actor
    )
    audit.record(
        "orders.customers_merged", _LABEL, survivor.pk, actor=actor, merge=merge.pk,
        merged=merged.pk, orders=len(orders), returns=len(returns),
    )  # fmt: skip
    signals.customers_merged.send(sender=CustomerMerge, merges=[merge], actor=actor, history=False)
    return merge


def _locked(survivor_id: int, merged_id: int) -> tuple[Customer, Customer, list[Order]]:
    """The two and the orders that move, locked in the house's order: orders before customers."""
    mine = Order.objects.filter(customer=merged_id)
    orders = lock_orders(mine.values_list("pk", flat=True))
    both = lock_customers([survivor_id, merged_id])
    if survivor_id == merged_id or len(both) < 2:
        raise NotMerged("It takes two customers who are there to merge them.")
    moving = {each.pk for each in orders if each.customer_id == merged_id}
    # Placing locks the customer: from here on there are no more than these.
    if set(mine.values_list("pk", flat=True)) != moving:
        raise _PlacedMeanwhile
    return both[survivor_id], both[merged_id], [each for each in orders if each.pk in moving]


def _refuse_unfit(survivor: Customer, merged: Customer) -> None:
    for customer in (survivor, merged):
        if customer.erased_at is not None:
            raise NotMerged(f"{customer} was erased: nobody can say any more who they were.")
        if customer.merged_into_id is not None:
            raise NotMerged(f"{customer} is merged into another customer already.")
    if CreditAccount.objects.filter(customer=merged, is_active=True).exists():
        raise NotMerged(
            f"{merged} has a credit account, which would count nothing any more. Keep that record, "
            "or close its account first."
        )


def _take_over(merge: CustomerMerge, take: Mapping[str, bool]) -> None:
    """Give the survivor what was chosen, what only the other knows, and the other's tags."""
    survivor, merged = merge.survivor, merge.merged
    changed = []
    for name in CHOSEN:
        mine, other = getattr(survivor, name), getattr(merged, name)
        chosen = other if other and (take.get(name) or not mine) else mine
        if chosen != mine:
            merge.before[name], merge.after[name] = mine, chosen
            setattr(survivor, name, chosen)
            changed.append(name)
    if merged.has_login and not survivor.has_login:
        merge.before["has_login"], merge.after["has_login"] = False, True
        survivor.has_login = True
        changed.append("has_login")
    merge.tags_added = sorted(set(merged.tags) - set(survivor.tags))
    survivor.tags = sorted({*survivor.tags, *merge.tags_added})
    survivor.version += 1
    survivor.save(update_fields=[*changed, "tags", "version"])


def _hand(model: type[Order] | type[ReturnOrder], ids: list[int], customer: Customer) -> None:
    model._default_manager.filter(pk__in=ids).update(customer=customer, version=F("version") + 1)


def _recounted(*customers: Customer, actor: Actor) -> None:
    """Figures follow the orders; who is a VIP follows the figures."""
    recount(each.pk for each in customers)
    for customer in customers:
        customer.refresh_from_db()
    settle_vips(customers, actor=actor)


def undo_merge(merge_id: int, *, actor: Actor) -> Undone:
    """Take a merge back: what it moved goes back, what it wrote is unwritten where it still stands.

    Orders placed after the merge stay with the survivor. Raises NotMerged. Announces
    customers_unmerged.
    """
    with transaction.atomic():
        return _undo(merge_id, actor)


def _undo(merge_id: int, actor: Actor) -> Undone:
    merge = CustomerMerge.objects.get(pk=merge_id)
    ids = _moved(merge, MergeMove.Kind.ORDER)
    lock_orders(ids)
    both = lock_customers([merge.survivor_id, merge.merged_id])
    # Read again: whoever held the customers may have taken it back.
    merge = CustomerMerge.objects.select_for_update(no_key=True).get(pk=merge_id)
    survivor, merged = both[merge.survivor_id], both[merge.merged_id]
    _refuse_undoing(merge, survivor, merged)
    merge.survivor, merge.merged = survivor, merged
    merged.merged_into = None
    merged.version += 1
    merged.save(update_fields=["merged_into", "version"])
    _hand(Order, ids, merged)
    _hand(ReturnOrder, _moved(merge, MergeMove.Kind.RETURN), merged)
    _give_back(merge)
    merge.undone_at, merge.undone_by = timezone.now(), actor.label
    merge.save(update_fields=["undone_at", "undone_by"])
    _recounted(survivor, merged, actor=actor)
    later = Order.objects.filter(customer=survivor, placed_at__gt=merge.at)
    stayed = list(later.order_by("placed_at").values_list("number", flat=True))
    went = counted(len(ids), "order")
    kept = f"; stayed: {', '.join(stayed[:20])}" if stayed else ""
    _tell(
        merge,
        f"{merged} was taken out again: {went} went back{kept}",
        f"Taken out of {survivor} again: {went} came back",
        actor,
    )
    audit.record(
        "orders.merge_undone", _LABEL, survivor.pk, actor=actor, merge=merge.pk,
        merged=merged.pk, orders=len(ids), stayed=len(stayed),
    )  # fmt: skip
    signals.customers_unmerged.send(
        sender=CustomerMerge, merges=[merge], actor=actor, history=False
    )
    return Undone(merge, len(ids), stayed)


def _moved(merge: CustomerMerge, kind: MergeMove.Kind) -> list[int]:
    return list(merge.moves.filter(kind=kind).values_list("object_id", flat=True))


def _refuse_undoing(merge: CustomerMerge, survivor: Customer, merged: Customer) -> None:
    if merge.undone_at is not None:
        raise NotMerged(f"This merge was taken back by {merge.undone_by} already.")
    if survivor.erased_at or merged.erased_at:
        raise NotMerged("The customer was erased: nobody can say any more whose orders these were.")
    if survivor.merged_into_id is not None:
        raise NotMerged(
            f"{survivor} was itself merged into {survivor.merged_into}. Take that back first."
        )


def _give_back(merge: CustomerMerge) -> None:
    """Unwrite what the merge wrote on the survivor, but nothing that somebody wrote since."""
    survivor = merge.survivor
    names = [name for name, value in merge.after.items() if getattr(survivor, name) == value]
    for name in names:
        setattr(survivor, name, merge.before[name])
    survivor.tags = sorted(set(survivor.tags) - set(merge.tags_added))
    survivor.version += 1
    survivor.save(update_fields=[*names, "tags", "version"])


def _tell(merge: CustomerMerge, survivor: str, merged: str, actor: Actor) -> None:
    one, other = merge.survivor_id, merge.merged_id
    timeline.record(
        [
            timeline.Happened(_LABEL, one, survivor, actor, link=(_LABEL, other)),
            timeline.Happened(_LABEL, other, merged, actor, link=(_LABEL, one)),
        ]
    )


@transaction.atomic
def keep_apart(one_id: int, other_id: int, *, actor: Actor) -> None:
    """Note that two customers are not the same person: they are proposed no more."""
    low, high = sorted((one_id, other_id))
    _, made = NotDuplicate.objects.get_or_create(
        low_id=low, high_id=high, defaults={"actor_label": actor.label}
    )
    if made:
        audit.record("orders.customers_kept_apart", _LABEL, low, actor=actor, other=high)
