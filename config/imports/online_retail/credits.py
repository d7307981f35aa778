"""Loads credits: cancelled orders, returns of orders, returns without one, and plain money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from config.imports.online_retail.classify import Document, code_of
from config.imports.online_retail.ledgers import lines_by_source
from config.imports.online_retail.match import Back, Cause, Credit, Stray, stockable
from config.imports.online_retail.parse import FORMAT, Row
from config.imports.online_retail.vocabulary import ACTOR, CREDITS, LABEL, gbp
from finance.services.documents import Document as Paper
from finance.services.documents import DocumentLine, post_documents
from orders.models.channels import Channel
from orders.models.orders import Order, OrderLine
from orders.services.cancelling import cancel_orders
from orders.services.drafts import LineSource
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns

Lines = Mapping[tuple[str, int], OrderLine]
When = Callable[[Document], datetime]


def load_credits(
    credits: Sequence[Credit],
    channel: Channel,
    at: When,
    customer_ids: Mapping[str, int],
    marks: Mapping[str, int],
) -> None:
    """Load a set of credits, in the caller's transaction, after the orders they belong to."""
    lines = lines_by_source((back.order, back.row) for each in credits for back in each.back)
    _cancel([credit for credit in credits if credit.cancels], lines, at)
    returns = [
        new
        for credit in credits
        if not credit.cancels
        for new in _returns(credit, lines, channel, at(credit.document), customer_ids)
    ]
    made = request_returns(returns, history=True, actor=ACTOR)
    receive_returns([row.pk for row in made], history=True, actor=ACTOR)
    papers = [
        _paper(credit, lines, channel, at(credit.document), marks)
        for credit in credits
        if any(not stockable(row) for row in credit.document.rows)
    ]
    post_documents(papers, history=True)


def _cancel(credits: Sequence[Credit], lines: Lines, at: When) -> None:
    times = {}
    for credit in credits:
        first = credit.back[0]
        times[lines[first.order, first.row].order_id] = at(credit.document)
    done = cancel_orders(
        times, reason=Order.CancelReason.CUSTOMER, times=times, history=True, actor=ACTOR
    )
    done.or_raise()


def _returns(
    credit: Credit,
    lines: Lines,
    channel: Channel,
    at: datetime,
    customer_ids: Mapping[str, int],
) -> Iterator[NewReturn]:
    """One return for each order the goods belong to, one for each cause why there is none."""
    by_order: dict[int, list[Back]] = defaultdict(list)
    for back in credit.back:
        by_order[lines[back.order, back.row].order_id].append(back)
    by_cause: dict[Cause, list[Stray]] = defaultdict(list)
    for stray in credit.strays:
        by_cause[stray.cause].append(stray)
    numbers = _numbers(credit.document.number)
    for order_id, backs in by_order.items():
        number = next(numbers)
        yield NewReturn(
            channel=channel,
            lines=tuple(_back_line(back, lines[back.order, back.row]) for back in backs),
            order_id=order_id,
            external_id=number,
            number=number,
            requested_at=at,
        )
    for cause, strays in by_cause.items():
        number = next(numbers)
        yield NewReturn(
            channel=channel,
            lines=tuple(_stray_line(stray) for stray in strays),
            unmatched_cause=cause.value,
            customer_id=customer_ids.get(credit.document.customer),
            external_id=number,
            number=number,
            requested_at=at,
        )


def _numbers(number: str) -> Iterator[str]:
    """The credit's own number first, then `C536391.2` and so on."""
    yield number
    part = 2
    while True:
        yield f"{number}.{part}"
        part += 1


def _source(row: Row) -> LineSource:
    return LineSource(FORMAT, row.invoice, row.row)


def _back_line(back: Back, line: OrderLine) -> NewReturnLine:
    return NewReturnLine(
        quantity=back.units,
        order_line_id=line.pk,
        description=back.credit_row.description.strip(),
        unit_price=back.credit_row.price,
        source=_source(back.credit_row),
    )


def _stray_line(stray: Stray) -> NewReturnLine:
    return NewReturnLine(
        quantity=stray.units,
        sku=stray.row.code,
        description=stray.row.description.strip(),
        unit_price=stray.row.price,
        source=_source(stray.row),
    )


def _paper(
    credit: Credit, lines: Lines, channel: Channel, at: datetime, marks: Mapping[str, int]
) -> Paper:
    """What a credit gives back besides goods, on the account of its order if it has just one."""
    document = credit.document
    orders = {lines[back.order, back.row].order for back in credit.back}
    return Paper(
        entity_id=channel.legal_entity_id,
        at=at,
        source=(LABEL, marks[document.number]),
        lines=[
            DocumentLine(CREDITS[code_of(row.code)], gbp(row))
            for row in document.rows
            if not stockable(row)
        ],
        actor=ACTOR,
        code="credit",
        order=next(iter(orders)) if len(orders) == 1 else None,
        reference=document.number,
    )
