"""What rules can do in the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from automations.actions import Action, Call, Done, Rejected, actions
from backoffice.actors import Actors
from inventory.models import Location
from inventory.services.errors import InventoryError
from orders.automation.actions import OrderAction, shown, undone
from orders.models.orders import Order
from orders.services.allocation import allocate_orders
from orders.services.backorders import promise_rest, reroute_order
from orders.services.choosing import choose_services
from orders.services.errors import OrderError
from orders.services.outcomes import Outcomes
from orders.services.picking import start_picking, stop_picking


class NoForm(forms.Form):
    """Nothing to fill in."""


class PlaceForm(forms.Form):
    place = forms.CharField(label="Code of the place", max_length=40, help_text="Such as MAIN.")


class DaysForm(forms.Form):
    days = forms.IntegerField(
        label="Days from then", min_value=0, max_value=365, help_text="When the rest will leave."
    )


@actions.register
class PickOrder(OrderAction):
    key = "orders.pick_order"
    label = "Put the order on the pick list"
    form = NoForm
    permission = "orders.pick_order"
    writes = ("order.is_picking",)
    announces = ("orders.order_picking",)

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return start_picking(list(params), actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return "Was on the pick list already" if already else "Put on the pick list"

    def kept(
        self, done: Outcomes, params: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, dict[str, Any]]:
        return {order.pk: {"picking": True} for order in done.changed}

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        found = stop_picking([call.subject_id], actor=call.actor)
        return undone(found, "Taken off the pick list again", "Was on no pick list any more")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return "Take it off the pick list"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Put the order on the pick list"


@actions.register
class AllocateOrder(OrderAction):
    key = "orders.allocate_order"
    label = "Set stock aside for the order"
    form = NoForm
    permission = "orders.route_order"
    writes = ("order.place", "order.routed", "order.is_held")
    announces = ("orders.order_released",)
    never_undone = "Stock that was set aside stays so until the order is cancelled or sent."

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return allocate_orders(list(params), actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return "Had all it needs already" if already else "All it needs is set aside"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Set stock aside for the order"


class _OneOrder(Action):
    """A service on one order, whose refusal people must look at."""

    subject = "orders.order"
    permission = "orders.route_order"

    def act(self, order_id: int, params: Mapping[str, Any], call: Call) -> Order:
        raise NotImplementedError

    def told(self, params: Mapping[str, Any]) -> str:
        raise NotImplementedError

    def execute(self, call: Call) -> Done:
        before = Order.objects.filter(pk=call.subject_id).values_list("version", flat=True).first()
        try:
            order = self.act(call.subject_id, call.params, call)
        except (OrderError, InventoryError) as error:
            raise Rejected(str(error)) from error
        return Done(self.told(call.params), already=order.version == before)


@actions.register
class RouteOrder(_OneOrder):
    key = "orders.route_order"
    label = "Ship the order from another place"
    form = PlaceForm
    writes = ("order.place", "order.routed", "order.is_held")
    announces = ("orders.order_routed", "orders.order_released")
    never_undone = "Where it was set aside before may be given to others. Route it again."

    def act(self, order_id: int, params: Mapping[str, Any], call: Call) -> Order:
        place = Location.objects.filter(code=params["place"]).first()
        if place is None:
            raise Rejected(f"There is no place {params['place']}.")
        return reroute_order(order_id, place.pk, actor=call.actor)

    def told(self, params: Mapping[str, Any]) -> str:
        return f"Ships from {params['place']}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Ship what is left of the order from {shown(params['place'])}"


@actions.register
class PromiseRest(_OneOrder):
    key = "orders.promise_rest"
    label = "Promise the rest of the order for a day"
    form = DaysForm
    writes = ("order.promised_on", "order.ship_by", "order.is_held")
    announces = ("orders.order_backordered", "orders.order_released")
    never_undone = "A promise may have been told already. Promise another day."

    def act(self, order_id: int, params: Mapping[str, Any], call: Call) -> Order:
        day = timezone.localdate() + timedelta(days=params["days"])
        return promise_rest(order_id, day, actor=call.actor)

    def told(self, params: Mapping[str, Any]) -> str:
        return f"The rest is promised in {params['days']} days"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Promise the rest of the order in {shown(params['days'])} days"


@actions.register
class ChooseService(OrderAction):
    key = "orders.choose_service"
    label = "Choose the carrier service: the cheapest in time"
    form = NoForm
    permission = "orders.pack_order"

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return choose_services(list(params), actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return "Left with that service already" if already else "Chose the carrier service"
