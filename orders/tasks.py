"""Celery's doors to orders."""

from celery import shared_task

from orders.services import clock, hold_ends, reviews, segments


@shared_task
def act_on_ended_holds() -> None:
    hold_ends.act_on_ended_holds()


@shared_task
def rewind_clocks() -> None:
    clock.rewind_clocks()


@shared_task
def escalate_reviews() -> None:
    reviews.escalate_reviews()


@shared_task
def refresh_segments() -> None:
    segments.refresh_segments()
