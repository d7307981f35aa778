"""Loads a planned file through the services, some hundred invoices to a transaction."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from django.db import transaction

from backoffice.sets import insert_many
from config.imports.online_retail import vocabulary
from config.imports.online_retail.classify import Document, Kind, code_of
from config.imports.online_retail.credits import load_credits
from config.imports.online_retail.ledgers import stock_changes
from config.imports.online_retail.match import stockable
from config.imports.online_retail.openings import changes, openings
from config.imports.online_retail.parse import FORMAT, LONDON, Row
from config.imports.online_retail.plan import Plan, digests
from config.imports.online_retail.vocabulary import ACTOR, LABEL, PROVIDER, gbp
from config.models import ImportedDocument, ImportJob
from finance.services.documents import Document as Paper
from finance.services.documents import DocumentLine, post_documents
from finance.services.payments import NewPayment, record_payments
from inventory.models import StockMove
from inventory.services.moves import adjust_stock, receive_stock, write_off_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, LineSource, NewLine, NewOrder
from orders.services.placing import place_orders

MAX_DOCUMENTS = 600
MAX_LINES = 10_000


def no_address(customer: str, country: str) -> Address:
    """The file knows no address but the country."""
    return Address(country=country)


def only_number(customer: str, country: str) -> NewCustomer:
    """The file knows no name either."""
    return NewCustomer(number=customer, country=country)


def plain_sku(code: str, name: str) -> NewSku:
    return NewSku(code=code, name=name)


@dataclass(frozen=True, slots=True)
class Dress:
    """How rows of the file look in the books; the demonstration company invents names here."""

    address: Callable[[str, str], Address] = no_address
    customer: Callable[[str, str], NewCustomer] = only_number
    sku: Callable[[str, str], NewSku] = plain_sku


@dataclass(slots=True)
class Loader:
    """Loads the documents of one plan for one job, into one channel."""

    job: ImportJob
    channel: Channel
    plan: Plan
    dress: Dress = field(default_factory=Dress)
    sku_ids: dict[str, int] = field(default_factory=dict)
    customer_ids: dict[str, int] = field(default_factory=dict)
    cancelled: frozenset[str] = frozenset()

    def load(self, progress: Callable[[int, int], None]) -> None:
        """Load what is not loaded yet; `progress` is told invoices and lines after each set."""
        self.cancelled = frozenset(
            credit.cancels for credit in self.plan.credits.values() if credit.cancels
        )
        if not self.plan.to_load:
            return
        with transaction.atomic():
            self._prepare()
        # The file's rows live until the end: looking through them for garbage again and again
        # would take a third of the time.
        gc.collect()
        gc.freeze()
        invoices = lines = 0
        for batch in batches(self.plan.to_load):
            with transaction.atomic():
                self._load(batch)
            invoices += len(batch)
            lines += sum(len(document.rows) for document in batch)
            progress(invoices, lines)
        gc.unfreeze()

    def at(self, document: Document) -> datetime:
        """When it happened; the demonstration company's file is moved in time."""
        return document.at + timedelta(seconds=self.job.shift_seconds)

    def _prepare(self) -> None:
        """Products, customers and opening stock come before the first invoice."""
        names = product_names(self.plan.documents)
        skus = add_skus([self.dress.sku(code, name) for code, name in names.items()], actor=ACTOR)
        self.sku_ids = {code: sku.pk for code, sku in skus.items()}
        countries = {
            document.customer: document.country
            for document in self.plan.documents
            if document.customer
        }
        customers = add_customers(
            [self.dress.customer(number, country) for number, country in countries.items()]
        )
        self.customer_ids = {number: customer.pk for number, customer in customers.items()}
        if not self.job.has_openings:
            self._open_stock()
            self.job.has_openings = True
            self.job.save(update_fields=["has_openings"])

    def _open_stock(self) -> None:
        added = changes(self.plan.documents, self.plan.credits)
        held = stock_changes(added, self.channel.location_id, self.job)
        first = min(self.plan.documents, key=lambda document: document.at)
        midnight = datetime.combine(first.at.astimezone(LONDON).date(), time(), LONDON)
        at = midnight.astimezone(UTC) + timedelta(seconds=self.job.shift_seconds)
        receive_stock(
            [
                Moving(
                    key=f"{FORMAT}:opening:{self.job.pk}:{self.sku_ids[code]}",
                    sku_id=self.sku_ids[code],
                    location_id=self.channel.location_id,
                    quantity=units,
                    at=at,
                    note="inferred from the file's sales",
                )
                for code, units in sorted(openings(added, held).items())
            ],
            actor=ACTOR,
            reason=StockMove.Reason.OPENING_INFERRED,
            history=True,
        )

    def _load(self, batch: Sequence[Document]) -> None:
        """One set, in its own transaction: what adds stock first, then what takes it."""
        marks = self._mark(batch)
        by_kind: dict[Kind, list[Document]] = defaultdict(list)
        for document in batch:
            by_kind[document.kind].append(document)
        found = self._movings(by_kind[Kind.FOUND], marks)
        adjust_stock(found, actor=ACTOR, history=True)
        lost = self._movings(by_kind[Kind.WRITE_OFF], marks)
        write_off_stock(lost, actor=ACTOR, history=True)
        self._place(by_kind[Kind.ORDER])
        expenses = by_kind[Kind.EXPENSE] + by_kind[Kind.BAD_DEBT]
        post_documents([self._paper(each, marks) for each in expenses], history=True)
        credits = [self.plan.credits[document.number] for document in by_kind[Kind.CREDIT]]
        load_credits(credits, self.channel, self.at, self.customer_ids, marks)

    def _mark(self, batch: Sequence[Document]) -> dict[str, int]:
        """Write down that these are loaded; the unique number stops any second time."""
        rows = insert_many(
            [
                ImportedDocument(
                    job=self.job,
                    format=FORMAT,
                    number=document.number,
                    kind=document.kind.value,
                    lines=digests(document.rows),
                )
                for document in batch
            ]
        )
        return {row.number: row.pk for row in rows}

    def _movings(self, documents: Iterable[Document], marks: dict[str, int]) -> list[Moving]:
        return [
            Moving(
                key=f"{FORMAT}:{row.invoice}:{row.row}",
                sku_id=self.sku_ids[row.code],
                location_id=self.channel.location_id,
                quantity=abs(row.quantity),
                at=self.at(document),
                note=row.description.strip().lower()[:60],
                source=LABEL,
                source_id=marks[document.number],
            )
            for document in documents
            for row in document.rows
            if stockable(row)
        ]

    def _place(self, documents: Sequence[Document]) -> None:
        """Orders as they were, and paid: the file holds no payments, so they count as settled."""
        if not documents:
            return
        placed = place_orders(
            [self._order(document) for document in documents], history=True, actor=ACTOR
        )
        record_payments(
            [
                self._payment(document, order)
                for document, order in zip(documents, placed.orders, strict=True)
                if order.total and document.number not in self.cancelled
            ],
            actor=ACTOR,
            history=True,
        )

    def _order(self, document: Document) -> NewOrder:
        at = self.at(document)
        return NewOrder(
            channel=self.channel,
            lines=tuple(order_line(row) for row in document.rows),
            external_id=document.number,
            number=document.number,
            customer_id=self.customer_ids.get(document.customer),
            placed_at=at,
            ship_to=self.dress.address(document.customer, document.country),
            shipped_at=None if document.number in self.cancelled else at,
        )

    def _payment(self, document: Document, order: Order) -> NewPayment:
        return NewPayment(
            order_id=order.pk,
            provider=PROVIDER,
            external_id=document.number,
            amount=order.total_money,
            received_at=self.at(document),
            method="other",
        )

    def _paper(self, document: Document, marks: dict[str, int]) -> Paper:
        """What the company pays, fee by fee, and the bad debt it wrote off."""
        return Paper(
            entity_id=self.channel.legal_entity_id,
            at=self.at(document),
            source=(LABEL, marks[document.number]),
            lines=[
                DocumentLine(vocabulary.EXPENSES[code_of(row.code)], gbp(row))
                for row in document.rows
            ],
            actor=ACTOR,
            code=document.kind.value.replace(" ", "_"),
            reference=document.number,
        )


def order_line(row: Row, *, imported: bool = True) -> NewLine:
    """A row of a sale as a line of an order; an imported one remembers where it stood."""
    return NewLine(
        quantity=row.quantity,
        unit_price=row.price,
        sku=row.code if stockable(row) else None,
        kind=vocabulary.LINE_KINDS[code_of(row.code)],
        description=row.description.strip(),
        source=LineSource(FORMAT, row.invoice, row.row) if imported else None,
    )


def product_names(documents: Iterable[Document]) -> dict[str, str]:
    """The name each product was sold under most often; remarks of stock keepers come last."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for document in documents:
        for row in document.rows:
            if stockable(row):
                # A line with a price names the product; one without may say “damaged”.
                said[row.code][row.description.strip()] += 1000 if row.price else 1
    return {
        code: next((name for name, _ in names.most_common() if name), "")
        for code, names in said.items()
    }


def batches(documents: Sequence[Document]) -> Iterator[list[Document]]:
    """Sets that one transaction can hold; a single large invoice is a set of its own."""
    batch: list[Document] = []
    lines = 0
    for document in documents:
        if batch and (len(batch) >= MAX_DOCUMENTS or lines + len(document.rows) > MAX_LINES):
            yield batch
            batch, lines = [], 0
        batch.append(document)
        lines += len(document.rows)
    if batch:
        yield batch
