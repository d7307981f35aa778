"""Book what stock moves are worth, where a SKU has a cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from backoffice.actors import Acting
from backoffice.money import Money
from finance.models.ledger import Account, JournalEntry
from finance.services.books import Books, accounts_by_role
from finance.services.journal import BusinessDays, Leg, NewEntry, post_entries
from inventory.models import Location, Sku, StockMove

Role = Account.Role
# What stands against inventory, by where goods come from or go to.
_OTHER_END = {
    Location.Kind.SUPPLIER: Role.GOODS_RECEIVED,
    Location.Kind.CUSTOMER: Role.COST_OF_SALES,
    Location.Kind.LOSS: Role.SHRINKAGE,
}


@transaction.atomic
def post_stock_moves(
    moves: Sequence[StockMove], *, actor: Acting, history: bool = False
) -> list[JournalEntry]:
    """Book moves into and out of our places at the SKU's cost of now; each once.

    A SKU without a cost, and a move between our own places, books nothing. `actor.of()` is asked
    with the SKU's id.
    """
    skus = Sku.objects.filter(pk__in={move.sku_id for move in moves}, unit_cost__gt=0)
    with_cost = set(skus.values_list("pk", flat=True))
    keys = [move.pk for move in moves if move.sku_id in with_cost]
    if not keys:
        return []
    valued = list(
        StockMove.objects.filter(pk__in=keys).select_related("sku", "from_location", "to_location")
    )
    entities = {_our_place(move).legal_entity_id for move in valued if _crosses(move)}
    books, days = accounts_by_role(entities), BusinessDays(entities)
    return post_entries(
        [_entry(move, books, days, actor) for move in valued if _crosses(move)], history=history
    )


def _comes_in(move: StockMove) -> bool:
    return move.to_location.kind in Location.OURS


def _crosses(move: StockMove) -> bool:
    """Whether goods come to us or leave us."""
    return _comes_in(move) != (move.from_location.kind in Location.OURS)


def _our_place(move: StockMove) -> Location:
    return move.to_location if _comes_in(move) else move.from_location


def _entry(move: StockMove, books: Books, days: BusinessDays, actor: Acting) -> NewEntry:
    place = _our_place(move)
    entity = place.legal_entity_id
    other = move.from_location if _comes_in(move) else move.to_location
    role = _OTHER_END[Location.Kind(other.kind)]
    if move.reason == StockMove.Reason.OPENING_INFERRED:
        role = Role.OPENING
    unit = Money(move.sku.unit_cost or Decimal(0), move.sku.cost_currency)
    value = (unit * move.quantity).rounded()
    value = value if _comes_in(move) else -value
    return NewEntry(
        entity_id=entity,
        posted_on=days.of(entity, move.occurred_at),
        code="stock",
        source=("inventory.stockmove", move.pk, "value"),
        legs=[
            Leg(books.account(entity, account), amount, move.reason)
            for account, amount in ((Role.INVENTORY, value), (role, -value))
            if amount
        ],
        actor=actor.of(move.sku_id),
    )
