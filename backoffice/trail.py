"""The tables behind the audit trail: the links of its chain, what waits, and each check."""

from django.db import models
from django.db.models.functions import Now


class AuditLink(models.Model):
    """An audit entry's place in the chain; the hash covers the entry and the link before it.

    `backoffice_seal_audit` alone writes these, seconds after the entry, so that no act waits for
    another. The links that one pass wrote share `sealed_at`.
    """

    position = models.BigIntegerField(primary_key=True)
    entry = models.OneToOneField(
        "backoffice.AuditEntry", on_delete=models.PROTECT, related_name="link"
    )
    sha256 = models.CharField(max_length=64)
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.position}:{self.sha256}"


class AuditPending(models.Model):
    """An audit entry that waits to be sealed: written with it, by a trigger."""

    entry = models.OneToOneField(
        "backoffice.AuditEntry",
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="+",
        db_constraint=False,  # it is written a moment before its entry
    )

    def __str__(self) -> str:
        return str(self.pk)


class AuditCheck(models.Model):
    """One check of the whole chain, with the head it came to."""

    at = models.DateTimeField(db_default=Now())
    # The last link that holds; 0 and empty while nothing was ever sealed.
    position = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    # The first thing that is wrong, in words; empty when all holds.
    finding = models.TextField(blank=True)

    class Meta:
        get_latest_by = "pk"

    def __str__(self) -> str:
        return self.finding or f"sound up to {self.position}"
