"""Who buys, what tells one from another, and the figures kept about them."""

from __future__ import annotations

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.functions import Concat, Lower, Upper
from simple_history.models import HistoricalRecords

from backoffice.models import ACTOR_KINDS, User
from backoffice.money import Money


def _without(field: str, pattern: str, instead: str = "") -> Func:
    """A text with everything that fits a pattern taken out, in SQL."""
    return Func(
        F(field), Value(pattern), Value(instead), Value("g"),
        function="regexp_replace", output_field=models.CharField(),
    )  # fmt: skip


class CustomerQuerySet(models.QuerySet["Customer"]):
    def live(self) -> CustomerQuerySet:
        """Those that stand for themselves: neither merged into another nor erased."""
        return self.filter(merged_into=None, erased_at=None)


class Customer(models.Model):
    """A person or a company. Name, mail, telephone are personal data: they stay in this row."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        COMPANY = "company", "Company"

    number = models.CharField(max_length=40, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.PERSON)
    name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    country = models.CharField(max_length=2, blank=True)
    postcode = models.CharField(max_length=20, blank=True, default="")
    # E.164, such as +441225460000.
    phone = models.CharField(max_length=20, blank=True, default="")
    # The company a person buys for; a customer that is one has its name in `name`.
    company = models.CharField(max_length=200, blank=True, default="")
    # With its country's letters, checked by its check digits: GB123456782.
    vat_id = models.CharField("VAT id", max_length=20, blank=True, default="")
    # Has an account in the shop; others order as guests.
    has_login = models.BooleanField("has an account", default=False)
    # One person was two records: this one stands for nobody any more.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    erased_at = models.DateTimeField(null=True, blank=True)
    # What one mail is however it is written; empty without one.
    mail_key = models.GeneratedField(
        expression=Lower(_without("email", r"\+[^@]*@", "@")),
        output_field=models.TextField(),
        db_persist=True,
    )
    # Name and postcode without spaces and signs; empty unless both are known.
    name_key = models.GeneratedField(
        expression=Case(
            When(Q(name="") | Q(postcode=""), then=Value("")),
            default=Concat(
                Lower(_without("name", "[^[:alnum:]]")),
                Value("|"),
                Upper(_without("postcode", "[^[:alnum:]]")),
            ),
        ),
        output_field=models.TextField(),
        db_persist=True,
    )
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    version = models.IntegerField(default=1)
    # Kept by the services, so that no rule has to count history inside a sale.
    orders_count = models.IntegerField(default=0)
    # Paid less refunded, in the currency of the first order; blank before that.
    lifetime_spend = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))
    spend_currency = models.CharField(max_length=3, blank=True, default="")
    last_order_at = models.DateTimeField(null=True, blank=True)
    # Orders of which something came back.
    orders_returned = models.IntegerField(default=0)
    # Since when the lifetime spend has made them a VIP; None while it does not.
    vip_since = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords(
        excluded_fields=[
            "version", "orders_count", "lifetime_spend", "spend_currency", "last_order_at",
            "orders_returned", "vip_since", "mail_key", "name_key",
        ]
    )  # fmt: skip

    objects = CustomerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(orders_count__gte=0), name="customer_orders_count"),
            models.CheckConstraint(
                condition=Q(phone="") | Q(phone__regex=r"^\+[0-9]{6,15}$"), name="customer_phone"
            ),
            models.CheckConstraint(
                condition=Q(vat_id="") | Q(vat_id__regex="^[A-Z]{2}[0-9A-Z+*]{2,14}$"),
                name="customer_vat_id",
            ),
            models.CheckConstraint(
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                name="customer_not_merged_into_itself",
            ),
            # Nothing that names the person outlives their erasure.
            models.CheckConstraint(
                condition=Q(erased_at=None)
                | Q(name="", email="", phone="", postcode="", company="", vat_id=""),
                name="customer_erased_is_empty",
            ),
        ]
        indexes = [
            # Mail and chat look a customer up by address.
            models.Index(fields=["email"], name="customer_email", condition=~Q(email="")),
            # The list, last buyers first; those who never bought end it.
            models.Index(
                F("last_order_at").desc(nulls_last=True), F("id").desc(), name="customer_recent"
            ),
            # The search of the palette, letter by letter.
            models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="customer_name"),
            GinIndex(fields=["tags"], name="customer_tags"),
            # Proposals of duplicates.
            models.Index(fields=["mail_key"], name="customer_mail", condition=~Q(mail_key="")),
            models.Index(fields=["phone"], name="customer_by_phone", condition=~Q(phone="")),
            models.Index(fields=["name_key"], name="customer_named", condition=~Q(name_key="")),
        ]
        permissions = [
            ("tag_customer", "Can tag customers"),
            ("merge_customer", "Can merge customers and take merges back"),
            ("erase_customer", "Can erase what is personal of a customer"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def spend(self) -> Money | None:
        """Paid less refunded so far; None before the first order."""
        if not self.spend_currency:
            return None
        return Money(self.lifetime_spend, self.spend_currency)

    @property
    def return_rate(self) -> Decimal | None:
        """Of a hundred orders, how many something came back of; None before the first order."""
        if not self.orders_count:
            return None
        share = Decimal(100 * self.orders_returned) / self.orders_count
        return min(share, Decimal(100)).quantize(Decimal("0.1"))


class CustomerDay(models.Model):
    """What one customer ordered on one day (UTC), so that a sale adds up days, not orders.

    `spend` is paid less refunded on that day's orders, in the customer's own currency.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="days", db_index=False
    )
    day = models.DateField()
    orders = models.IntegerField(default=0)
    spend = models.DecimalField(max_digits=19, decimal_places=4, default=Decimal(0))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer", "day"], name="customerday_once"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} on {self.day}"


class CustomerMerge(models.Model):
    """Two records that were one person, and what undoing needs.

    `before` and `after` are the fields of the survivor that the merge changed: personal data,
    emptied when the person is erased.
    """

    survivor = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="absorbed")
    merged = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="merges")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    tags_added = ArrayField(models.CharField(max_length=40), default=list)
    at = models.DateTimeField(auto_now_add=True)
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    undone_at = models.DateTimeField(null=True)
    undone_by = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            # Nobody is merged twice, however many people press at once.
            models.UniqueConstraint(
                fields=["merged"], condition=Q(undone_at=None), name="customermerge_open_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.merged} into {self.survivor}"


class MergeMove(models.Model):
    """A record that a merge moved to the survivor: exactly these go back."""

    class Kind(models.TextChoices):
        ORDER = "order", "Order"
        RETURN = "return", "Return"

    merge = models.ForeignKey(
        CustomerMerge, on_delete=models.PROTECT, related_name="moves", db_index=False
    )
    kind = models.CharField(max_length=6, choices=Kind)
    object_id = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["merge", "kind", "object_id"], name="mergemove_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"


class NotDuplicate(models.Model):
    """Two customers that somebody looked at: they are not the same. `low` has the lower id."""

    low = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    high = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField(auto_now_add=True)
    actor_label = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["low", "high"], name="notduplicate_once"),
        ]

    def __str__(self) -> str:
        return f"{self.low_id} is not {self.high_id}"
