"""What shops say their buyers agreed to: believed of those who never said anything themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backoffice.actors import Acting
from orders.models.carts import Cart
from orders.services.guests import know_guest
from orders.services.marks import mail_mark
from support.models import ConsentEvent, Medium, Purpose, Suppression
from support.services.consent import digest_of, latest, record_consent


def note_agreed(carts: Sequence[Cart], mails: Mapping[int, str], *, actor: Acting) -> None:
    """Note the yes that buyers gave with their carts; a guest becomes a customer by it.

    A shop says the same yes again with every cart. So it counts for those who said neither yes nor
    no so far, and never for a mail address that asked to be forgotten. The carts are locked, and
    `actor` is asked by cart id. Announces nothing.
    """
    digests = {cart.pk: digest_of(cart.mail) for cart in carts}
    forgotten = set(
        Suppression.objects.filter(digest__in=digests.values()).values_list("digest", flat=True)
    )
    for cart in sorted(carts, key=lambda cart: cart.pk):
        if digests[cart.pk] not in forgotten:
            _note(cart, mails[cart.pk], actor)


def _note(cart: Cart, mail: str, actor: Acting) -> None:
    by = actor.of(cart.pk)
    customer = know_guest(cart, mail, actor=by)
    # A yes for one address is none for another that the customer has.
    if customer is None or mail_mark(customer.email) != cart.mail:
        return
    if latest(customer, Medium.MAIL, Purpose.MARKETING) is None:
        record_consent(
            customer.pk,
            medium=Medium.MAIL,
            purpose=Purpose.MARKETING,
            given=True,
            source=ConsentEvent.Source.CHECKOUT,
            wording=f"with cart {cart.number}"[:40],
            actor=by,
        )
