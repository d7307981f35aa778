"""Tags on orders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from django.db import connection, transaction

from backoffice import timeline
from backoffice.actors import Acting
from orders import signals
from orders.models.orders import Order
from orders.services.errors import BadTag
from orders.services.outcomes import Outcomes, lock_orders, unknown

_ADD = """
UPDATE orders_order SET version = version + 1,
    tags = ARRAY(SELECT DISTINCT tag FROM unnest(tags || %s::text[]) tag ORDER BY tag)
WHERE id = ANY(%s) RETURNING id, version, tags
"""
_REMOVE = """
UPDATE orders_order SET version = version + 1,
    tags = ARRAY(SELECT tag FROM unnest(tags) tag WHERE tag <> ALL (%s::text[]) ORDER BY tag)
WHERE id = ANY(%s) RETURNING id, version, tags
"""
_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def clean_tag(text: str) -> str:
    """A tag in its one spelling: lower case, hyphens for spaces; raises BadTag."""
    tag = re.sub(r"[\s_]+", "-", text.strip().lower())
    if not _TAG.fullmatch(tag):
        raise BadTag(f"“{text}” is no tag. Use letters, digits and hyphens, at most 40 characters.")
    return tag


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their one spelling, sorted, each once; raises BadTag."""
    return tuple(sorted({clean_tag(tag) for tag in tags}))


@transaction.atomic
def add_tags(
    order_ids: Iterable[int],
    tags: Iterable[str],
    *,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """Tag orders; those that carry all the tags are left alone. Announces orders_tagged.

    Raises BadTag, StaleVersion.
    """
    ids, wanted = set(order_ids), clean_tags(tags)
    orders = lock_orders(ids, versions)
    added = {order.pk: tuple(tag for tag in wanted if tag not in order.tags) for order in orders}
    done = _retag(ids, orders, added, _ADD, list(wanted))
    _tell(done.changed, added, "Tagged", actor)
    if done.changed:
        signals.orders_tagged.send(
            sender=Order,
            orders=done.changed,
            tags={order.pk: added[order.pk] for order in done.changed},
            actor=actor,
            history=False,
        )
    return done


@transaction.atomic
def remove_tags(
    order_ids: Iterable[int],
    tags: Iterable[str],
    *,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """Take tags off orders; those that carry none of them are left alone.

    Announces orders_untagged. Raises BadTag, StaleVersion.
    """
    ids, wanted = set(order_ids), clean_tags(tags)
    orders = lock_orders(ids, versions)
    removed = {order.pk: tuple(tag for tag in wanted if tag in order.tags) for order in orders}
    done = _retag(ids, orders, removed, _REMOVE, list(wanted))
    _tell(done.changed, removed, "Tag removed:", actor)
    if done.changed:
        signals.orders_untagged.send(
            sender=Order,
            orders=done.changed,
            tags={order.pk: removed[order.pk] for order in done.changed},
            actor=actor,
            history=False,
        )
    return done


def _retag(
    ids: set[int],
    orders: list[Order],
    difference: Mapping[int, tuple[str, ...]],
    statement: str,
    tags: list[str],
) -> Outcomes:
    """Write the tags of the orders that differ, in one statement, sorted and each once."""
    changed = {order.pk: order for order in orders if difference[order.pk]}
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(statement, [tags, list(changed)])
            for pk, version, now in cursor.fetchall():
                changed[pk].version, changed[pk].tags = version, now
    return Outcomes(
        changed=list(changed.values()),
        unchanged=[order for order in orders if not difference[order.pk]],
        refused=unknown(ids, orders),
    )


def _tell(
    orders: Iterable[Order], tags: Mapping[int, tuple[str, ...]], verb: str, actor: Acting
) -> None:
    timeline.record(
        timeline.Happened(
            "orders.order", order.pk, f"{verb} {', '.join(tags[order.pk])}", actor.of(order.pk)
        )
        for order in orders
    )
