"""Celery's doors to inventory."""

from celery import shared_task

from inventory.services import reservations


@shared_task
def expire_reservations() -> None:
    reservations.expire_reservations()
