"""Which orders carry which tags."""

from __future__ import annotations

from django.db import models


class OrderTag(models.Model):
    """The tags of orders, to find orders by them; a trigger keeps it, nobody else writes it.

    An index on the order itself would make each new tag write all of the order's indexes anew.
    """

    pk = models.CompositePrimaryKey("tag", "order_id")
    tag = models.CharField(max_length=40)
    order_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.tag} on order {self.order_id}"
