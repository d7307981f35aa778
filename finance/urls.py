"""Where money lives."""

from django.urls import path

from backoffice.workbench.pages import urls
from finance.tables import LEDGER, PAYMENTS, REFUNDS
from finance.views.by_line import (
    claim_money,
    exchange_money,
    refund_by_line,
    refund_claim,
    refund_return,
    return_money,
)
from finance.views.ledger import entry_detail, trial_balance_page
from finance.views.limits import refund_limit_answer, refund_limit_change, refund_limits
from finance.views.parts import customer_money, order_money, refund_home_waiting
from finance.views.payments import payment_detail, payment_record
from finance.views.refunds import (
    refund_approve,
    refund_detail,
    refund_reject,
    refund_request,
    refund_withdraw,
)

urlpatterns = [
    *urls(LEDGER, "finance/ledger/"),
    path("finance/ledger/<str:number>/", entry_detail, name="entry_detail"),
    path("finance/trial-balance/", trial_balance_page, name="trial_balance_page"),
    *urls(PAYMENTS, "finance/payments/"),
    path("finance/payments/<str:number>/", payment_detail, name="payment_detail"),
    *urls(REFUNDS, "finance/refunds/"),
    path("finance/refund-limits/", refund_limits, name="refund_limits"),
    path("finance/refund-limits/change/", refund_limit_change, name="refund_limit_change"),
    path(
        "finance/refund-limits/<str:currency>/<str:verdict>/",
        refund_limit_answer,
        name="refund_limit_answer",
    ),
    path("finance/refunds/_/home/", refund_home_waiting, name="refund_home_waiting"),
    path("finance/refunds/<str:number>/", refund_detail, name="refund_detail"),
    path("finance/refunds/<str:number>/_/approve/", refund_approve, name="refund_approve"),
    path("finance/refunds/<str:number>/_/reject/", refund_reject, name="refund_reject"),
    path("finance/refunds/<str:number>/_/withdraw/", refund_withdraw, name="refund_withdraw"),
    path("finance/_/of-customer/<int:pk>/", customer_money, name="customer_money"),
    path("finance/_/of-order/<int:pk>/", order_money, name="order_money"),
    path("finance/_/of-claim/<int:pk>/", claim_money, name="claim_money"),
    path("finance/_/refund-claim/<number:number>/", refund_claim, name="refund_claim"),
    path("finance/_/of-exchange/<int:pk>/", exchange_money, name="exchange_money"),
    path("finance/_/of-return/<int:pk>/", return_money, name="return_money"),
    path("finance/_/pay/<number:number>/", payment_record, name="payment_record"),
    path("finance/_/refund/<number:number>/", refund_request, name="refund_request"),
    path("finance/_/refund/<number:number>/lines/", refund_by_line, name="refund_by_line"),
    path("finance/_/refund-return/<number:number>/", refund_return, name="refund_return"),
]
