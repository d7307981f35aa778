"""A hundred prices from a file: what is within bounds is live, the outlier waits for a person."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import BulkJob
from backoffice.sheets import SheetRefused
from backoffice.workbench import jobs
from inventory.services.skus import NewSku, add_skus
from orders.models.prices import Price, PriceChange
from orders.queries.prices import valid_prices
from orders.services.price_file import check
from orders.services.prices import Wanted, ask_prices
from tests.inventory.factories import make_sku
from tests.orders.factories import make_channel
from tests.orders.prices import set_price

pytestmark = pytest.mark.django_db


def sheet(*rows: str, head: str = "SKU,Price,Store") -> bytes:
    return "\n".join((head, *rows)).encode()


@pytest.mark.requirement("R84")
def test_a_misplaced_decimal_point_waits_while_the_other_rows_are_live(
    operations_client: Client, finance_client: Client
) -> None:
    shop = make_channel()
    skus = add_skus([NewSku(f"P{n:03}") for n in range(100)], actor=HOUSE)
    before = [Wanted(shop.pk, sku.pk, Decimal("14.00")) for sku in skus.values()]
    ask_prices(before, actor=HOUSE)
    rows = [f"P{n:03},{'149.0' if n == 41 else '14.90'},shop" for n in range(100)]
    upload = SimpleUploadedFile("prices.csv", sheet(*rows))
    page = operations_client.post("/prices/_/file/", {"file": upload, "store": ""})
    seen = page.context["sheet"]
    assert (len(seen.good), len(seen.waiting), len(seen.bad)) == (100, 1, 0)
    assert "Moves by 964.3%" in seen.waiting[0].waits
    assert Price.objects.count() == 100
    operations_client.post("/prices/_/file/job/", {"rows": page.context["rows"]})
    job = BulkJob.objects.get()
    operations_client.post(f"/jobs/{job.pk}/start/")
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    assert (job.succeeded, job.failed) == (100, 0)
    live = valid_prices().filter(channel=shop)
    assert (live.filter(amount=Decimal("14.90")).count(), live.filter(amount=14).count()) == (99, 1)
    change = PriceChange.objects.get()
    assert (change.sku.code, change.state) == ("P041", "waiting")
    # Who asked can't agree, nor can anybody of operations; somebody of finance can.
    assert operations_client.post(f"/price-changes/{change.pk}/_/agree/").status_code == 403
    shown = finance_client.get(f"/price-changes/{change.pk}/").content.decode()
    for said in ("£14.00", "£149.00", "964.3%", "Priya Shah"):
        assert said in shown
    finance_client.post(f"/price-changes/{change.pk}/_/agree/", {"note": "A set of ten"})
    assert live.get(sku=change.sku).amount == 149
    history = finance_client.get("/prices/P041/").content.decode()
    assert "Daniel Okafor" in history


def test_each_row_says_what_is_wrong_with_it() -> None:
    make_channel()
    set_price("10.00", make_sku("LAMP"))
    found = check(
        sheet(
            "LAMP,11.00,The shop",
            "LAMP,12.00,shop",
            "GONE,1.00,shop",
            "LAMP,1.00,nowhere",
            'LAMP,"1,50",shop',
            "LAMP,=1+1,shop",
            "LAMP,0.005,shop",
            ",1.00,shop",
        )
    )
    assert [line.says for line in found.good] == ["Is valid at once"]
    assert [line.problem for line in found.bad] == [
        "LAMP stands in row 2 already.",
        "There is no SKU GONE.",
        "There is no store nowhere.",
        "“1,50” is no price. Write it like 12.50.",
        "Begins like a formula. Write the number itself.",
        "LAMP stands in row 2 already.",
        "Names no SKU.",
    ]
    with pytest.raises(SheetRefused, match="columns"):
        check(sheet("LAMP,1", head="SKU,Price"))
    assert check(sheet("LAMP,10.00", head="SKU,Price"), make_channel()).good[0].says == (
        "Stays as it is"
    )


def test_a_refusal_stands_at_the_field(operations_client: Client) -> None:
    make_channel()
    set_price("10.00", make_sku("LAMP"))
    answer = operations_client.post(
        "/prices/LAMP/_/shop/change/", {"amount": "9.999", "why": "Sale"}
    )
    assert answer.status_code == 422
    assert "can be read in two ways" in answer.context["form"].errors["amount"][0]
    operations_client.post("/prices/LAMP/_/shop/change/", {"amount": "11.50", "why": "Sale"})
    assert valid_prices().get().amount == Decimal("11.50")
