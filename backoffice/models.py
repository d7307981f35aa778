"""The ground: staff, legal entities, timelines and the audit trail."""

from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from simple_history.models import HistoricalRecords

from backoffice.actors import ActorKind

ACTOR_KINDS = [(kind.value, kind.value) for kind in ActorKind]


def validate_time_zone(value: str) -> None:
    """Refuse a name that the IANA time zone database does not know."""
    if value not in available_timezones():
        raise ValidationError(f"“{value}” is no time zone. Write one like Europe/London.")


class User(AbstractUser):
    """A member of staff."""

    class Theme(models.TextChoices):
        SYSTEM = "system", "As the system"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    class Density(models.TextChoices):
        COMPACT = "compact", "Compact"
        COMFORTABLE = "comfortable", "Comfortable"

    time_zone = models.CharField(
        max_length=64, default="Europe/London", validators=[validate_time_zone]
    )
    theme = models.CharField(max_length=10, choices=Theme, default=Theme.SYSTEM)
    density = models.CharField(max_length=12, choices=Density, default=Density.COMPACT)
    single_keys = models.BooleanField("single-key shortcuts", default=True)
    history = HistoricalRecords(excluded_fields=["password", "last_login"])

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    @property
    def initials(self) -> str:
        letters = [part[0] for part in (self.first_name, self.last_name) if part]
        return "".join(letters).upper() or self.username[:2].upper()


class LegalEntity(models.Model):
    """A company of ours: it owns channels, locations, accounts and the business day."""

    name = models.CharField(max_length=200, unique=True)
    country = models.CharField(max_length=2)
    currency = models.CharField(max_length=3)
    time_zone = models.CharField(max_length=64, validators=[validate_time_zone])
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "legal entities"

    def __str__(self) -> str:
        return self.name


class TimelineEntry(models.Model):
    """One thing that happened to a subject, and who or which run did it. Append-only.

    The text holds codes, amounts and numbers, never names or addresses, so that a person can be
    forgotten while the story stays.
    """

    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    at = models.DateTimeField()
    text = models.CharField(max_length=500)
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    rule_id = models.BigIntegerField(null=True)
    rule_version = models.IntegerField(null=True)
    run_id = models.BigIntegerField(null=True)
    # What the entry points at (`support.ticket`, 5521), so that a page can link to it.
    link = models.CharField(max_length=60, blank=True)
    link_id = models.BigIntegerField(null=True)

    class Meta:
        indexes = [
            # A detail page reads one subject's story, newest first.
            models.Index(fields=["subject", "subject_id", "-at", "-id"], name="timeline_subject"),
        ]

    def __str__(self) -> str:
        return self.text


class AuditEntry(models.Model):
    """A decision or an access that must stay provable. Append-only, TRUNCATE refused too."""

    at = models.DateTimeField(db_default=Now())
    verb = models.CharField(max_length=60)
    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField(null=True)
    actor_kind = models.CharField(max_length=10, choices=ACTOR_KINDS)
    actor_label = models.CharField(max_length=200)
    user = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            # The audit screen reads newest first; a record's page reads its own entries.
            models.Index(fields=["-at"], name="audit_newest"),
            models.Index(fields=["subject", "subject_id"], name="audit_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject} {self.subject_id or ''}".rstrip()
