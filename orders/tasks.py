"""Celery's doors to orders."""

from celery import shared_task

from orders.services import (
    carts,
    clock,
    conflicts,
    forwarding,
    hold_ends,
    preorder_release,
    promotions,
    reviews,
    segments,
)


@shared_task
def act_on_ended_holds() -> None:
    hold_ends.act_on_ended_holds()


@shared_task
def rewind_clocks() -> None:
    clock.rewind_clocks()


@shared_task
def release_preorders() -> None:
    preorder_release.release_due()


@shared_task
def forward_shipments() -> None:
    """Put down what is ready elsewhere, tell whom a connector reaches, notice who is late."""
    forwarding.forward_ready()
    forwarding.send_by_connectors()
    forwarding.notice_unanswered()


@shared_task
def escalate_reviews() -> None:
    reviews.escalate_reviews()


@shared_task
def refresh_segments() -> None:
    segments.refresh_segments()


@shared_task
def sweep_carts() -> None:
    carts.sweep_carts()


@shared_task
def end_promotions() -> None:
    promotions.end_promotions()


@shared_task
def notice_old_news() -> None:
    """Look what is too old, and whether two systems disagree of which no news told."""
    conflicts.notice_old_news()
    conflicts.notice_missed()
