"""The ground: staff, legal entities, timelines, the audit trail, saved views and bulk jobs."""

from uuid import uuid4
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now, Upper
from simple_history.models import HistoricalRecords

from backoffice import caught_mail, deputies, role_grants, trail  # noqa: F401 - more tables
from backoffice.actors import ActorKind
from backoffice.told import Notice as Notice

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
    # Somebody else knows it: nothing but a change of it is open with it.
    password_is_first = models.BooleanField(default=False, db_default=False)
    # Groups of the rail by key, those that were ever folded or unfolded: true where open.
    unfolded = models.JSONField(default=dict, db_default={}, editable=False)
    history = HistoricalRecords(
        excluded_fields=["password", "last_login", "password_is_first", "unfolded"]
    )

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
    # Rules can be about a company: what is done once for each, every morning.
    version = models.IntegerField(default=1, db_default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        verbose_name_plural = "legal entities"

    def __str__(self) -> str:
        return self.name


class Calendar(models.Model):
    """Which days are worked: a week's days, each from a date on, and single days that differ."""

    key = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80, unique=True)
    version = models.IntegerField(default=1)
    history = HistoricalRecords(excluded_fields=["version"])

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CalendarWeek(models.Model):
    """The days of a week that are worked, 1 (Monday) to 7, from a date until the next such row."""

    calendar = models.ForeignKey(Calendar, on_delete=models.CASCADE, related_name="weeks")
    from_day = models.DateField()
    open_days = ArrayField(models.SmallIntegerField())

    class Meta:
        ordering = ["from_day"]
        constraints = [
            # Two weeks from one day on would leave open which of them holds.
            models.UniqueConstraint(fields=["calendar", "from_day"], name="calendarweek_from"),
            models.CheckConstraint(
                condition=models.Q(open_days__contained_by=[1, 2, 3, 4, 5, 6, 7]),
                name="calendarweek_days",
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.from_day}"


class CalendarDay(models.Model):
    """One day that differs from its week: a holiday, a stocktake, a Sunday that is worked."""

    calendar = models.ForeignKey(Calendar, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    is_open = models.BooleanField(default=False)
    name = models.CharField(max_length=80)

    class Meta:
        ordering = ["day"]
        constraints = [
            models.UniqueConstraint(fields=["calendar", "day"], name="calendarday_once"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.name}"


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
            # The audit screen's search: the start of a name, whatever its case.
            models.Index(OpClass(Upper("actor_label"), "text_pattern_ops"), name="audit_actor"),
            # Refusals are few, and have a tab of their own.
            models.Index(
                fields=["-at"],
                name="audit_refused",
                condition=models.Q(verb__endswith=".refused"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject} {self.subject_id or ''}".rstrip()


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: User) -> "SavedViewQuerySet":
        """One's own views and those that others share."""
        return self.filter(models.Q(owner=user) | models.Q(shared=True)).select_related("owner")


class SavedView(models.Model):
    """A named address of a list: filters, search, order and columns, as its query string."""

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="saved_views")
    screen = models.CharField(max_length=60)
    name = models.CharField(max_length=40)
    slug = models.SlugField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    shared = models.BooleanField(default=False)
    default_for = models.CharField(max_length=20, blank=True)
    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        permissions = [
            ("share_savedview", "Can share saved views"),
            ("default_savedview", "Can make a shared view a role's first view"),
        ]
        constraints = [
            # A link with this slug must mean the same view for everyone.
            models.UniqueConstraint(fields=["screen", "slug"], name="savedview_slug"),
            # Two first views of one role would make the list's start a matter of luck.
            models.UniqueConstraint(
                fields=["screen", "default_for"],
                condition=~models.Q(default_for=""),
                name="savedview_one_default",
            ),
            # A role must be able to see the view it starts with.
            models.CheckConstraint(
                condition=models.Q(default_for="") | models.Q(shared=True),
                name="savedview_default_is_shared",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Selection(models.Model):
    """All rows of a view, fixed by their keys at one moment, for a bulk action."""

    key = models.UUIDField(primary_key=True, default=uuid4)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    screen = models.CharField(max_length=60)
    ids = ArrayField(models.BigIntegerField())
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{len(self.ids)} rows of {self.screen}"


class BulkJob(models.Model):
    """One action on a fixed set of rows, done in chunks; it survives reloads and restarts."""

    class Status(models.TextChoices):
        DRAFT = "draft", "To be confirmed"
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="bulk_jobs")
    screen = models.CharField(max_length=60)
    action = models.CharField(max_length=60)
    label = models.CharField(max_length=100)
    params = models.JSONField(default=dict)
    ids = ArrayField(models.BigIntegerField())
    # The rows' versions when they were fixed, beside `ids`; None: the action asks for none.
    versions = ArrayField(models.IntegerField(), null=True)
    # What the rows weigh together, as the confirm page shows it: {"sums": {"GBP": "5386.00"}}.
    weight = models.JSONField(default=dict)
    # So much at once that somebody else has to start it.
    needs_second = models.BooleanField(default=False)
    started_by = models.ForeignKey(
        User, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    total = models.IntegerField()
    position = models.IntegerField(default=0)
    succeeded = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    back = models.CharField(max_length=2000, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    created_at = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("see_everyones_bulkjob", "Can see everyone's bulk jobs")]
        constraints = [
            # A job that counts a row twice, or not at all, lies about what was done.
            models.CheckConstraint(
                condition=models.Q(position=models.F("succeeded") + models.F("failed"))
                & models.Q(position__lte=models.F("total")),
                name="bulkjob_counts_add_up",
            ),
            # Four eyes: whoever drafted a large job is not the one who lets it run.
            models.CheckConstraint(
                condition=models.Q(needs_second=False)
                | models.Q(status__in=["draft", "cancelled"])
                | (models.Q(started_by__isnull=False) & ~models.Q(started_by=models.F("user"))),
                name="bulkjob_second_person",
            ),
        ]
        indexes = [
            # The sweep looks for jobs whose wake-up was lost.
            models.Index(
                fields=["touched_at"],
                condition=models.Q(status__in=["queued", "running"]),
                name="bulkjob_unfinished",
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_open(self) -> bool:
        return self.status in (self.Status.QUEUED, self.Status.RUNNING)


class BulkOutcome(models.Model):
    """What became of one row of a bulk job."""

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="outcomes")
    target_id = models.BigIntegerField()
    ok = models.BooleanField()
    message = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "target_id"], name="bulkoutcome_once_a_row")
        ]

    def __str__(self) -> str:
        return self.message or ("done" if self.ok else "refused")


class Note(models.Model):
    """What a member of staff wrote about a record. Free text: it can be erased, the story stays."""

    subject = models.CharField(max_length=60)
    subject_id = models.BigIntegerField()
    text = models.CharField(max_length=2000)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # A record's timeline reads its notes, newest first.
            models.Index(fields=["subject", "subject_id", "-at"], name="note_subject"),
        ]

    def __str__(self) -> str:
        return self.text
