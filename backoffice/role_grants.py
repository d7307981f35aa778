"""The table of who got which role, by whom."""

from django.db import models
from django.db.models.functions import Now


class RoleGrant(models.Model):
    """How a person came by a role: who asked, and who agreed.

    The application role only reads these and who is in which group; the functions of migration
    0042 write both. `asked_by` None: it was given by the owner of the database, or before grants
    were kept.
    """

    class State(models.TextChoices):
        ASKED = "asked", "Waits for a second person"
        HELD = "held", "Held"
        REFUSED = "refused", "Turned down"
        REPLACED = "replaced", "Asked anew"
        ENDED = "ended", "Ended"

    user = models.ForeignKey(
        "backoffice.User", on_delete=models.PROTECT, related_name="role_grants"
    )
    role = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State)
    why = models.TextField(blank=True)
    asked_by = models.ForeignKey(
        "backoffice.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    asked_at = models.DateTimeField(db_default=Now())
    decided_by = models.ForeignKey(
        "backoffice.User", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("decide_rolegrant", "Can agree that somebody gets a role")]
        constraints = [
            # A second request would leave open which of them is agreed to.
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(state="asked"), name="rolegrant_asked_once"
            ),
            models.UniqueConstraint(
                fields=["user", "role"],
                condition=models.Q(state="held"),
                name="rolegrant_held_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} for {self.user_id}: {self.state}"
