"""Celery's doors to support."""

from celery import shared_task

from support.services import outgoing


@shared_task
def send_mails() -> None:
    outgoing.send_due()
