"""The table of who stands in for whom, from when until when."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class DeputyQuerySet(models.QuerySet["Deputy"]):
    def open(self) -> DeputyQuerySet:
        """Those that are in force, will be, or wait for a second person."""
        wanted = [Deputy.State.ASKED, Deputy.State.AGREED]
        return self.filter(state__in=wanted, until_at__gt=Now())

    def in_force(self) -> DeputyQuerySet:
        """Those that stand in now."""
        return self.filter(state=Deputy.State.AGREED, from_at__lte=Now(), until_at__gt=Now())


class Deputy(models.Model):
    """A person who stands in for another while they are away.

    The application role only reads these; the functions of migration 0050 write them. `gives`: the
    deputy lacks a role of the person's that decides, and gets it for that time by two people's
    will. Without it nothing is given: the deputy is told what the person would be told.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a second person"
        AGREED = "agreed", "Agreed"
        REFUSED = "refused", "Turned down"
        ENDED = "ended", "Ended early"

    person = models.ForeignKey(
        "backoffice.User", on_delete=models.PROTECT, related_name="deputies", db_index=False
    )
    deputy = models.ForeignKey(
        "backoffice.User", on_delete=models.PROTECT, related_name="stands_in", db_index=False
    )
    state = models.CharField(max_length=10, choices=State)
    gives = models.BooleanField()
    # The roles that were lent when it was agreed, and no others.
    lends = ArrayField(models.CharField(max_length=150), default=list, db_default=[])
    from_at = models.DateTimeField()
    until_at = models.DateTimeField()
    why = models.TextField()
    asked_by = models.ForeignKey(
        "backoffice.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        "backoffice.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        "backoffice.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    ended_at = models.DateTimeField(null=True)

    objects = DeputyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until_at__gt=models.F("from_at")), name="deputy_ends_after_start"
            ),
            models.CheckConstraint(
                condition=~models.Q(person=models.F("deputy")), name="deputy_is_another"
            ),
        ]
        indexes = [
            # Each check of a role asks whom somebody stands in for.
            models.Index(
                fields=["deputy", "until_at"],
                name="deputy_agreed",
                condition=models.Q(state="agreed"),
            ),
            models.Index(fields=["person", "-until_at"], name="deputy_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.deputy_id} for {self.person_id}: {self.state}"
