"""A legal entity's chart of accounts."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from backoffice.models import LegalEntity
from finance.models.ledger import Account
from finance.services.errors import BooksNotOpen

_DEBIT_KINDS = (Account.Kind.ASSET, Account.Kind.EXPENSE)
# Income that grows on the debit side: it lowers sales.
_CONTRA = (Account.Role.RETURNS, Account.Role.DISCOUNTS)

CHART: tuple[tuple[str, Account.Kind, Account.Role], ...] = (
    ("1000", Account.Kind.ASSET, Account.Role.BANK),
    ("1100", Account.Kind.ASSET, Account.Role.CUSTOMERS),
    ("1110", Account.Kind.ASSET, Account.Role.UNMATCHED),
    ("1200", Account.Kind.ASSET, Account.Role.PSP_CLEARING),
    ("1290", Account.Kind.ASSET, Account.Role.FX_CLEARING),
    ("1300", Account.Kind.ASSET, Account.Role.INVENTORY),
    ("2100", Account.Kind.LIABILITY, Account.Role.TAX),
    ("2200", Account.Kind.LIABILITY, Account.Role.GOODS_RECEIVED),
    ("3000", Account.Kind.EQUITY, Account.Role.OPENING),
    ("4000", Account.Kind.INCOME, Account.Role.SALES),
    ("4010", Account.Kind.INCOME, Account.Role.SHIPPING),
    ("4020", Account.Kind.INCOME, Account.Role.MANUAL),
    ("4100", Account.Kind.INCOME, Account.Role.RETURNS),
    ("4200", Account.Kind.INCOME, Account.Role.DISCOUNTS),
    ("5000", Account.Kind.EXPENSE, Account.Role.COST_OF_SALES),
    ("5100", Account.Kind.EXPENSE, Account.Role.SHRINKAGE),
    ("6000", Account.Kind.EXPENSE, Account.Role.SAMPLES),
    ("6100", Account.Kind.EXPENSE, Account.Role.MARKETPLACE_FEES),
    ("6110", Account.Kind.EXPENSE, Account.Role.BANK_FEES),
    ("6120", Account.Kind.EXPENSE, Account.Role.COMMISSIONS),
    ("6200", Account.Kind.EXPENSE, Account.Role.BAD_DEBT),
)


@transaction.atomic
def open_books(entity: LegalEntity) -> list[Account]:
    """Give a legal entity the accounts that postings need; those it has are left as they are."""
    LegalEntity.objects.select_for_update(no_key=True).get(pk=entity.pk)
    has = set(Account.objects.filter(entity=entity).values_list("role", flat=True))
    made = [
        Account(entity=entity, code=code, name=role.label, kind=kind, role=role, normal_side=side)
        for code, kind, role in CHART
        for side in [_normal_side(kind, role)]
        if role not in has
    ]
    for account in made:
        account.save()
    return made


def accounts_by_role(entities: Iterable[int]) -> Books:
    """The accounts that postings use, of several entities at once.

    An entity without any account gets its books opened: no sale waits for that.
    """
    wanted = set(entities)
    rows = list(Account.objects.filter(entity_id__in=wanted))
    new = wanted - {account.entity_id for account in rows}
    for entity in LegalEntity.objects.filter(pk__in=new).order_by("pk"):
        open_books(entity)
    if new:
        rows = list(Account.objects.filter(entity_id__in=wanted))
    return Books({(account.entity_id, account.role): account for account in rows if account.role})


class Books:
    """Accounts by entity and role."""

    def __init__(self, accounts: dict[tuple[int, str], Account]) -> None:
        self._accounts = accounts

    def account(self, entity_id: int, role: Account.Role) -> Account:
        """The account for a role; raises BooksNotOpen when the entity has none."""
        try:
            return self._accounts[entity_id, role]
        except KeyError:
            name = LegalEntity.objects.filter(pk=entity_id).values_list("name", flat=True).first()
            raise BooksNotOpen(
                f"{name or 'This legal entity'} has no account for “{role.label}”. "
                "Open its books, or give an account this role, and try again."
            ) from None


def _normal_side(kind: Account.Kind, role: Account.Role) -> Account.Side:
    grows_on_debit = kind in _DEBIT_KINDS or role in _CONTRA
    return Account.Side.DEBIT if grows_on_debit else Account.Side.CREDIT
