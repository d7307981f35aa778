"""What can be done to many prices at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.forms.prices import AgreeForm, RefuseForm
from orders.models.prices import PriceChange
from orders.services.errors import OrderError
from orders.services.price_file import Line, apply
from orders.services.prices import decide_price

State = PriceChange.State


def _decide(
    verdict: PriceChange.State, ids: Sequence[int], params: Mapping[str, Any], actor: Actor
) -> Iterable[Outcome]:
    for pk in sorted(ids):
        try:
            decide_price(pk, verdict, note=params.get("note", ""), actor=actor)
        except OrderError as error:
            yield Outcome(pk, ok=False, message=str(error))
        else:
            yield Outcome(pk, ok=True)


def _from_file(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    """The ids are the numbers of the file's rows."""
    lines = [Line(**params["rows"][str(number)]) for number in ids]
    for told in apply(lines, actor=actor):
        message = f"Row {told.number}, {told.name}: {told.problem or told.says}"
        yield Outcome(told.number, ok=not told.problem, message=message)


ACTIONS = (
    BulkAction(
        key="prices.agree",
        label="Agree",
        done="Agreed to",
        permission="orders.agree_price",
        run=partial(_decide, State.AGREED),
        form=AgreeForm,
        asks="These prices are valid at once, or from when they were asked to begin.",
        shortcut="y",
        icon="check",
    ),
    BulkAction(
        key="prices.refuse",
        label="Refuse",
        done="Refused",
        permission="orders.agree_price",
        run=partial(_decide, State.REFUSED),
        form=RefuseForm,
        shortcut="x",
        icon="ban",
        danger=True,
    ),
    BulkAction(
        key="prices.from_file",
        label="Set prices of",
        done="Set prices of",
        permission="orders.change_price",
        run=_from_file,
        icon="upload",
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
