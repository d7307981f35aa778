"""Tags on orders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from django.db import connection, transaction

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.sets import id_list, text_list
from orders import signals
from orders.models.orders import Order
from orders.services.errors import BadTag
from orders.services.outcomes import Outcomes, lock_orders, unknown

# The tags of each order come as the text of an array: unnest would flatten arrays.
_RETAG = """
UPDATE orders_order o SET version = o.version + 1, tags = d.tags::varchar[]
FROM unnest(%s::bigint[], %s::text[]) AS d(id, tags)
WHERE o.id = d.id RETURNING o.id, o.version
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
    return tag_orders(dict.fromkeys(order_ids, tuple(tags)), versions=versions, actor=actor)


@transaction.atomic
def tag_orders(
    tags: Mapping[int, Iterable[str]],
    *,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """As add_tags, with tags of its own for each order, by its id."""
    wanted = _cleaned(tags)
    orders = lock_orders(wanted, versions)
    added = {
        order.id: tuple(tag for tag in wanted[order.id] if tag not in order.tags)
        for order in orders
    }
    done = _retag(set(wanted), orders, added, keep=True)
    _tell(done.changed, added, "Tagged", actor)
    if done.changed:
        signals.orders_tagged.send(
            sender=Order,
            orders=done.changed,
            tags={order.id: added[order.id] for order in done.changed},
            actor=actor,
            history=False,
        )
    return done


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
    return untag_orders(dict.fromkeys(order_ids, tuple(tags)), versions=versions, actor=actor)


@transaction.atomic
def untag_orders(
    tags: Mapping[int, Iterable[str]],
    *,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """As remove_tags, with tags of its own for each order, by its id."""
    wanted = _cleaned(tags)
    orders = lock_orders(wanted, versions)
    removed = {
        order.id: tuple(tag for tag in wanted[order.id] if tag in order.tags) for order in orders
    }
    done = _retag(set(wanted), orders, removed, keep=False)
    _tell(done.changed, removed, "Tag removed:", actor)
    if done.changed:
        signals.orders_untagged.send(
            sender=Order,
            orders=done.changed,
            tags={order.id: removed[order.id] for order in done.changed},
            actor=actor,
            history=False,
        )
    return done


def _cleaned(tags: Mapping[int, Iterable[str]]) -> dict[int, tuple[str, ...]]:
    """Many orders often get the same tags: each set is cleaned once."""
    given = {pk: tuple(several) for pk, several in tags.items()}
    cleaned = {several: clean_tags(several) for several in set(given.values())}
    return {pk: cleaned[several] for pk, several in given.items()}


def _retag(
    ids: set[int],
    orders: list[Order],
    difference: Mapping[int, tuple[str, ...]],
    *,
    keep: bool,
) -> Outcomes:
    """Add (`keep`) or take off what differs, in one statement; the orders are under lock."""
    changed = {order.id: order for order in orders if difference[order.id]}
    for pk, order in changed.items():
        rest = set(order.tags) - set(difference[pk])
        order.tags = sorted(rest | set(difference[pk]) if keep else rest)
    if changed:
        texts = text_list(text_list(order.tags) for order in changed.values())
        with connection.cursor() as cursor:
            cursor.execute(_RETAG, [id_list(changed), texts])
            for pk, version in cursor.fetchall():
                changed[pk].version = version
    return Outcomes(
        changed=list(changed.values()),
        unchanged=[order for order in orders if not difference[order.id]],
        refused=unknown(ids, orders),
    )


def _tell(
    orders: Iterable[Order], tags: Mapping[int, tuple[str, ...]], verb: str, actor: Acting
) -> None:
    timeline.record(
        timeline.Happened(
            "orders.order", order.id, f"{verb} {', '.join(tags[order.id])}", actor.of(order.id)
        )
        for order in orders
    )
