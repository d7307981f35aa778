"""What the format's codes are called in orders and in finance."""

from backoffice.actors import importer
from backoffice.money import Money
from config.imports.online_retail.classify import Code
from config.imports.online_retail.parse import Row
from finance.services.documents import Category
from orders.models.orders import OrderLine

ACTOR = importer("Online Retail file")
# The file holds no payments: what stands here is the assumption that each invoice was settled.
PROVIDER = "online-retail-file"
LABEL = "roof.importeddocument"

LINE_KINDS = {
    Code.PRODUCT: OrderLine.Kind.STOCK,
    Code.VOUCHER: OrderLine.Kind.GIFT_CARD,
    Code.POSTAGE: OrderLine.Kind.POSTAGE,
    Code.MANUAL: OrderLine.Kind.MANUAL,
    Code.DISCOUNT: OrderLine.Kind.DISCOUNT,
    Code.BANK: OrderLine.Kind.FEE,
    Code.MARKETPLACE: OrderLine.Kind.OTHER,
    Code.COMMISSION: OrderLine.Kind.OTHER,
    Code.SAMPLES: OrderLine.Kind.OTHER,
    Code.BAD_DEBT: OrderLine.Kind.OTHER,
}
EXPENSES = {
    Code.MARKETPLACE: Category.MARKETPLACE_FEE,
    Code.BANK: Category.BANK_FEE,
    Code.COMMISSION: Category.COMMISSION,
    Code.SAMPLES: Category.SAMPLES,
    Code.BAD_DEBT: Category.BAD_DEBT,
}
CREDITS = EXPENSES | {
    Code.VOUCHER: Category.GIFT_CARD,
    Code.POSTAGE: Category.POSTAGE,
    Code.MANUAL: Category.MANUAL,
    Code.DISCOUNT: Category.DISCOUNT,
}


def gbp(row: Row) -> Money:
    """A row's signed value with all its decimals; posting rounds it."""
    return Money(row.quantity * row.price, "GBP")
