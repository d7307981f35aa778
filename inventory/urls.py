"""Where stock lives."""

from django.urls import path

from backoffice.workbench.pages import urls
from inventory.tables import MOVES, SKUS
from inventory.views.home import sku_home_low
from inventory.views.skus import (
    sku_adjust,
    sku_customs,
    sku_detail,
    sku_receive,
    sku_reorder_point,
    sku_write_off,
)

urlpatterns = [
    *urls(MOVES, "inventory/moves/"),
    *urls(SKUS, "inventory/"),
    path("inventory/_/home/low/", sku_home_low, name="sku_home_low"),
    path("inventory/<number:code>/", sku_detail, name="sku_detail"),
    path("inventory/<number:code>/_/receive/", sku_receive, name="sku_receive"),
    path("inventory/<number:code>/_/write-off/", sku_write_off, name="sku_write_off"),
    path("inventory/<number:code>/_/adjust/", sku_adjust, name="sku_adjust"),
    path("inventory/<number:code>/_/reorder-point/", sku_reorder_point, name="sku_reorder_point"),
    path("inventory/<number:code>/_/customs/", sku_customs, name="sku_customs"),
]
