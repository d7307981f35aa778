"""What orders refuses. Each message is a sentence an operator can act on."""


class OrderError(Exception):
    """A write that orders refuses; nothing was changed."""


class UnknownOrder(OrderError):
    """No order has this id."""


class WrongAmount(OrderError):
    """An amount in another currency than the order's, or one that does not add up."""


class AlreadyShipped(OrderError):
    """Too late: goods have left."""


class AlreadyCancelled(OrderError):
    """The order is cancelled, so nothing more happens to it."""


class OnHold(OrderError):
    """The order may not be shipped while a hold is open."""


class NotPaid(OrderError):
    """The channel ships paid orders only."""


class PickingBegun(OrderError):
    """Somebody takes the order's goods off the shelf right now."""


class NotAllocated(OrderError):
    """The goods are not set aside for this order."""


class SoldAhead(OrderError):
    """Too few are left of what the channel sells before its stock comes."""


class TooMany(OrderError):
    """More units than there are to ship or to return."""


class WrongState(OrderError):
    """The return is not at the step this asks for."""


class UnknownClaim(OrderError):
    """No claim has this id."""


class BadTag(OrderError):
    """A tag is lower-case letters, digits and hyphens, at most 40 characters."""


class BadPhone(OrderError):
    """No telephone number, or none that a telephone can have."""


class BadVatId(OrderError):
    """No VAT id, or one whose check digits do not fit."""


class NotMerged(OrderError):
    """These two can't be merged, or their merge can't be taken back."""


class NotErased(OrderError):
    """Something is still open that needs to know who the customer is."""


class BadSegment(OrderError):
    """A segment's conditions can't be judged; `problems` say where and why."""

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class AlreadyDecided(OrderError):
    """Somebody decided about it before."""


class NoLabel(OrderError):
    """A parcel does not leave without a label."""


class LabelExists(OrderError):
    """The parcel has a label, or the number stands on another one."""


class ParcelTrouble(OrderError):
    """The carrier's service can't take the parcel; `trouble` says in a code why."""

    def __init__(self, message: str, trouble: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class PromotionUsedUp(OrderError):
    """The buyer typed a code whose uses are gone, and its promotion refuses such orders."""


class PromotionError(OrderError):
    """Terms of a promotion that can't be; `field` says which, empty where none is to blame."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field
