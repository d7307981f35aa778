"""The list of promotions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.urls import reverse
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, yes_no
from orders.models.channels import Channel
from orders.models.promotions import Promotion, PromotionChange
from orders.queries.promotions import (
    IN_STATE,
    STATES,
    State,
    money_given,
    state_of,
    with_uses,
)
from orders.queries.stores import company_options, store_options
from orders.services.promotion_words import in_words

STATE = {
    State.DRAFT: ("wait", "pencil", "Draft"),
    State.PLANNED: ("info", "clock", "Planned"),
    State.LIVE: ("ok", "player-play", "Live"),
    State.ENDED: ("wait", "circle-check", "Ended"),
    State.OFF: ("bad", "player-stop", "Off"),
}


def state_words(promotion: Promotion) -> SafeString:
    token, sign, word = STATE[state_of(promotion)]
    return ui.status(token, word, sign)


def uses(promotion: Promotion) -> str:
    """How often it was used, of how often it may be."""
    used = vars(promotion).get("uses", 0)
    limit = promotion.usage_limit
    return f"{used:,}" if limit is None else f"{used:,} of {limit:,}"


def given(promotion: Promotion) -> str:
    """What it has given, by currency."""
    return ", ".join(str(amount) for amount in money_given(promotion)) or ui.NONE


@dataclass(frozen=True, kw_only=True)
class ForStore(Choice):
    """Promotions of a store, or of all of them."""

    def condition(self, values: Sequence[str]) -> Q:
        super().condition(values)
        return Q(channels=[]) | Q(channels__overlap=self.keys(values))

    def keys(self, values: Sequence[str]) -> list[str]:
        return list(values)


@dataclass(frozen=True, kw_only=True)
class ForCompany(ForStore):
    """Promotions of a store of a company, or of all of them."""

    def keys(self, values: Sequence[str]) -> list[str]:
        rows = Channel.objects.filter(legal_entity__in=list(values))
        return list(rows.values_list("key", flat=True))


_WAITS = Q(
    pk__in=PromotionChange.objects.filter(state=PromotionChange.State.ASKED).values("promotion")
)

PROMOTIONS = Workbench[Promotion](
    key="orders.promotions",
    title="Promotions",
    noun="promotion",
    url_name="promotion_list",
    permission="orders.view_promotion",
    queryset=lambda user: Promotion.objects.all(),
    decorate=with_uses,
    row_label=lambda promotion: promotion.name,
    row_url=lambda promotion: reverse("promotion_detail", args=[promotion.key]),
    columns=(
        Column("name", "Promotion", "name", sort="name", main=True),
        Column("state", "State", state_words, export=lambda p: state_of(p).value),
        Column("words", "Takes off", in_words, wide=True),
        Column("code", "Code", lambda p: p.code or ui.NONE, sort="code", kind="code"),
        Column("uses", "Uses", uses, kind="number"),
        Column("given", "Given", given, kind="number"),
        Column("starts", "Starts", "starts_at", sort="starts_at", kind="time", default=False),
        Column("ends", "Ends", "ends_at", sort="ends_at", kind="time"),
        Column("kind", "Kind", lambda p: p.get_kind_display(), sort="kind", default=False),
    ),
    filters=(
        Choice(
            key="state", label="State", pinned=True,
            options=[(state.value, words) for state, words in STATES],
            where={state.value: condition for state, condition in IN_STATE.items()},
        ),
        Choice(key="kind", label="Kind", options=Promotion.Kind.choices),
        yes_no("waits", "Waits for a second person", _WAITS, pinned=True),
        ForStore(key="store", label="Store", options=store_options),
        ForCompany(key="company", label="Company", options=company_options),
        Day(key="ends", label="Ends", field="ends_at"),
    ),
    search=("name__icontains", "code__istartswith"),
    search_hint="Name or code",
    sort=("-starts_at",),
    views=(
        View("all", "All"),
        View("live", "Live", "state=live", empty="No promotion is live."),
        View("waiting", "To agree to", "waits=yes", empty="Nothing waits for a second person."),
    ),
    actions_template="orders/_promotion_list_actions.html",
    empty=Empty(
        "No promotions yet.",
        "A promotion takes something off new orders: with a code, above an amount, for goods "
        "bought together or for a time.",
    ),
)  # fmt: skip
