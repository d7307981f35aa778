"""What was imported, so that no line is ever loaded twice."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ImportJob(models.Model):
    """One file, known by its content. It may be run again: it goes on where it stopped."""

    format = models.CharField(max_length=30)
    sha256 = models.CharField(max_length=64)
    file_name = models.CharField(max_length=255)
    started_at = models.DateTimeField(db_default=Now())
    # None: it was stopped, or is running.
    finished_at = models.DateTimeField(null=True)
    # The opening stock of the file's products is written.
    has_openings = models.BooleanField(default=False)
    # Seconds added to every time of the file; not zero for the demonstration company only.
    shift_seconds = models.BigIntegerField(default=0)
    report = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["format", "sha256"], name="import_file_once"),
        ]

    def __str__(self) -> str:
        return self.file_name


class ImportedDocument(models.Model):
    """One invoice of a file, written in the transaction that loaded its lines.

    The identity of a line is (format, number, its place in the document); `lines` holds a digest
    per place, 0 where the line could not be read. A digest that differs later means that the file
    was changed after the import. Lines that a repaired file brings later stand under a number of
    their own, `536365-2`, with their places in 536365.
    """

    job = models.ForeignKey(ImportJob, on_delete=models.PROTECT, related_name="documents")
    format = models.CharField(max_length=30)
    number = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)
    lines = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["format", "number"], name="imported_once"),
            models.CheckConstraint(condition=~Q(number=""), name="imported_with_number"),
        ]

    def __str__(self) -> str:
        return self.number
