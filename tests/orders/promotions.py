"""Promotions for tests, started by two people as the services ask."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from backoffice import roles
from backoffice.actors import person
from backoffice.models import User
from orders.models.promotions import Promotion
from orders.services.promotions import (
    Terms,
    agree_promotion,
    ask_start,
    draft_promotion,
    terms_of,
)
from tests.bed.people import give_roles

Kind, Target = Promotion.Kind, Promotion.Target


def somebody(role: str) -> User:
    """A member of staff of this role, made once."""
    user, is_new = User.objects.get_or_create(
        username=f"promotions-{role}", defaults={"first_name": role.title(), "last_name": "Promo"}
    )
    if is_new:
        give_roles(user, role)
    return user


def terms(**fields: Any) -> Terms:
    """10% off all goods with the code SPRING, since an hour ago."""
    given: dict[str, Any] = {
        "name": "Spring",
        "kind": Kind.CODE,
        "code": "SPRING",
        "percent": Decimal(10),
        "starts_at": timezone.now() - timedelta(hours=1),
        **fields,
    }
    if given["kind"] != Kind.CODE and "code" not in fields:
        given["code"] = ""
    if "amounts" in fields:
        given["percent"] = None
    return Terms(**given)


def drafted(**fields: Any) -> Promotion:
    return draft_promotion(terms(**fields), actor=person(somebody(roles.OPERATIONS)))


def started(**fields: Any) -> Promotion:
    """A promotion that one person asked for and another agreed to."""
    row = drafted(**fields)
    asker, agreer = somebody(roles.OPERATIONS), somebody(roles.FINANCE)
    change = ask_start(row.pk, why="The season", actor=person(asker))
    return agree_promotion(change.pk, actor=person(agreer))


def terms_with(promotion: Promotion, **fields: Any) -> Terms:
    """Its terms as they stand, some of them changed."""
    return replace(terms_of(Promotion.objects.get(pk=promotion.pk)), **fields)
