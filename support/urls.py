"""Where tickets and queues live."""

from django.urls import path

from backoffice.workbench.pages import urls
from support.tables import QUEUES, TICKETS
from support.views.consent import (
    consent_new,
    customer_consents,
    customer_write,
    unsubscribe,
)
from support.views.parts import (
    customer_tickets,
    order_tickets,
    ticket_home_mine,
    ticket_home_nobody,
)
from support.views.queues import queue_close, queue_detail
from support.views.tickets import (
    ticket_assign,
    ticket_detail,
    ticket_move,
    ticket_new,
    ticket_note,
    ticket_priority,
    ticket_reply,
    ticket_solve,
)

urlpatterns = [
    *urls(TICKETS, "tickets/"),
    path("tickets/_/new/", ticket_new, name="ticket_new"),
    path("tickets/_/home/mine/", ticket_home_mine, name="ticket_home_mine"),
    path("tickets/_/home/nobody/", ticket_home_nobody, name="ticket_home_nobody"),
    path("tickets/_/of-customer/<int:pk>/", customer_tickets, name="customer_tickets"),
    path("tickets/_/consents-of/<int:pk>/", customer_consents, name="customer_consents"),
    path("customers/<number:number>/_/consent/", consent_new, name="consent_new"),
    path("customers/<number:number>/_/write/", customer_write, name="customer_write"),
    path("unsubscribe/<str:token>/", unsubscribe, name="unsubscribe"),
    path("tickets/_/of-order/<int:pk>/", order_tickets, name="order_tickets"),
    path("tickets/<str:number>/", ticket_detail, name="ticket_detail"),
    path("tickets/<str:number>/_/reply/", ticket_reply, name="ticket_reply"),
    path("tickets/<str:number>/_/note/", ticket_note, name="ticket_note"),
    path("tickets/<str:number>/_/assign/", ticket_assign, name="ticket_assign"),
    path("tickets/<str:number>/_/priority/", ticket_priority, name="ticket_priority"),
    path("tickets/<str:number>/_/move/", ticket_move, name="ticket_move"),
    path("tickets/<str:number>/_/solve/", ticket_solve, name="ticket_solve"),
    *urls(QUEUES, "queues/"),
    path("queues/<slug:slug>/", queue_detail, name="queue_detail"),
    path("queues/<slug:slug>/_/close/", queue_close, name="queue_close"),
]
