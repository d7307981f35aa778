"""Signs of life: when each stage last took work, which workers work, which minutes were good.

A ping says that a process breathes. These rows say that work moves: the work writes them.
"""

from __future__ import annotations

from django.db import models


class Progress(models.Model):
    """When one process last took work of a stage, at most a second behind.

    Committed with the work, so that work which is rolled back again and again is no progress. A row
    each process: one row for all would make them wait for each other.
    """

    pk = models.CompositePrimaryKey("stage", "worker")
    stage = models.CharField(max_length=20)
    worker = models.CharField(max_length=120)
    last_claim_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("view_health", "Can see how the engine does"),
            ("tend_engine", "Is told when the engine stands still"),
        ]

    def __str__(self) -> str:
        return f"{self.stage} by {self.worker}"


class Worker(models.Model):
    """A worker as its tasks show it: seen means that it has just done one."""

    name = models.CharField(max_length=120, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class EngineHour(models.Model):
    """An hour of the engine's life, a bit a minute: swept, and stood still."""

    hour = models.DateTimeField(primary_key=True)
    swept = models.BigIntegerField(default=0)
    stalled = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}"
